//! Signing, publishing, serving and looking into files.

mod delta;
pub mod estimate;
pub mod evaluate;
pub mod features;
mod files;
pub mod head;
pub mod import;
pub mod inspect;
pub mod keys;
mod live;
pub mod onnx;
pub mod pack;
pub mod publish;
pub mod quality;
pub mod root;
pub mod serve;
pub mod sign;
pub mod simulate;
pub mod train;
pub mod verify;
