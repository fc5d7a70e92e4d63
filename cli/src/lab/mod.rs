//! The lab: where models are made and measured.
//!
//! It feeds the engine's own fold with the events of many users, one log each, and trains and scores on what the fold gives. It computes
//! no feature itself.

pub mod baselines;
pub mod catalogue;
pub mod cost;
pub mod covisit;
pub mod dataset;
pub mod evaluation;
pub mod examples;
pub mod export;
pub mod factors;
pub mod import;
pub mod likeness;
pub mod metrics;
pub mod model;
pub mod names;
pub mod network;
pub mod off_policy;
pub mod onnx;
pub mod pack;
pub mod phone;
pub mod plot;
pub mod prefetch;
pub mod prior;
pub mod quality;
pub mod ranking;
pub mod replay;
pub mod report;
pub mod rows;
pub mod schema_file;
pub mod simulate;
pub mod train;
