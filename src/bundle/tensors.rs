//! The tensors of a container, taken one by one by the blocks that need them.
//!
//! A tensor is checked when it is taken: type, shape, finite numbers. Of one that is not as it should be there are no numbers, and
//! [`Notes`] remembers why. What nobody took is refused in the end.

use alloc::vec::Vec;

use super::container::Tensor;
use super::notes::Notes;
use super::{BundleError, TensorFault};
use crate::block::{BlockError, Table};
use crate::kernel::half;
use crate::words::words;

/// Stands in an expected shape for any size of 1 or more.
pub(super) const ANY: usize = usize::MAX;
/// The types in which numbers may stand.
const NUMBERS: &[&str] = &["F32", "F16", "I8"];

/// The tensors of a file, and what was wrong so far.
pub(super) struct Tensors<'a> {
    all: Vec<Tensor<'a>>,
    pub notes: Notes<'a>,
    /// What the names begin with of those that are asked for: the name of a block; and, where it has layers, the name and the digit of one.
    under: [&'a str; 3],
}

impl<'a> Tensors<'a> {
    /// Of these nothing has been taken.
    pub const fn new(all: Vec<Tensor<'a>>, notes: Notes<'a>) -> Self {
        Self { all, notes, under: ["", "", ""] }
    }

    /// Of the block of this name tensors are asked for from now on.
    pub const fn block(&mut self, name: &'a str) {
        self.under = [name, "", ""];
    }

    /// Of this layer of the block.
    pub fn layer(&mut self, name: &'a str, number: usize) {
        // There are fewer than ten layers.
        let digit = ["0", "1", "2", "3", "4", "5", "6", "7"].get(number).copied().unwrap_or("");
        let [block, ..] = self.under;
        self.under = [block, name, digit];
    }

    /// Notes the tensor `part` and what is wrong with it.
    #[inline(never)]
    pub fn refuse(&mut self, part: &str, fault: TensorFault) {
        let [block, layer, digit] = self.under;
        self.notes.tensor(&[block, ".", layer, digit, part], fault);
    }

    /// Notes what a block says against one of its parts.
    #[inline(never)]
    pub fn against(&mut self, error: BlockError) {
        let [block, ..] = self.under;
        self.block(block);
        self.refuse(error.part(), TensorFault::Block { error });
    }

    fn find(&self, part: &str) -> Option<usize> {
        let [block, layer, digit] = self.under;
        self.all.iter().position(|tensor| {
            if tensor.taken {
                return false;
            }
            let mut rest = tensor.name.as_str();
            for known in [block, ".", layer, digit, part] {
                match rest.strip_prefix(known) {
                    Some(after) => rest = after,
                    None => return false,
                }
            }
            rest.is_empty()
        })
    }

    /// Whether the file has it.
    pub fn has(&self, part: &str) -> bool {
        self.find(part).is_some()
    }

    /// The size of a dimension of a tensor that may be there; 0 of one that it does not have.
    pub fn size(&self, part: &str, dimension: usize) -> usize {
        let tensor = self.find(part).and_then(|at| self.all.get(at));
        tensor.and_then(|tensor| tensor.shape.get(dimension)).copied().unwrap_or(0)
    }

    /// The type of a tensor that may be there.
    pub fn dtype(&self, part: &str) -> &'static str {
        self.find(part).and_then(|at| self.all.get(at)).map_or("", |tensor| tensor.dtype)
    }

    /// Takes the bytes of a tensor of this shape, of one of these types; none of one that is not there or is another.
    #[inline(never)]
    pub fn take(&mut self, part: &str, shape: &[usize], types: &[&str]) -> &'a [u8] {
        let mut fault = TensorFault::Missing;
        if let Some(tensor) = self.find(part).and_then(|at| self.all.get_mut(at)) {
            tensor.taken = true;
            let mut fits = tensor.shape.len() == shape.len();
            for (found, expected) in tensor.shape.iter().zip(shape) {
                fits &= if *expected == ANY { *found > 0 } else { found == expected };
            }
            if !types.contains(&tensor.dtype) {
                fault = TensorFault::Dtype;
            } else if fits {
                return tensor.bytes;
            } else {
                let mut expected = shape.to_vec();
                for dim in &mut expected {
                    if *dim == ANY {
                        *dim = 0;
                    }
                }
                fault = TensorFault::Shape { expected, found: core::mem::take(&mut tensor.shape) };
            }
        }
        self.refuse(part, fault);
        &[]
    }

    /// Takes numbers: singles, halves, or bytes with one scale a row, which then is the tensor `<part>.scale`. Gives them as singles.
    #[inline(never)]
    pub fn numbers(&mut self, part: &str, shape: &[usize]) -> Vec<f32> {
        let (dtype, rows) = (self.dtype(part), self.size(part, 0));
        let bytes = self.take(part, shape, NUMBERS);
        let mut values = Vec::with_capacity(bytes.len() / 4);
        match dtype {
            "I8" => {
                let scales = self.scales(part, rows);
                let width = bytes.len().checked_div(rows).unwrap_or(0).max(1);
                for (row, scale) in bytes.chunks(width).zip(&scales) {
                    for byte in row {
                        values.push(f32::from(byte.cast_signed()) * scale);
                    }
                }
            }
            "F16" => {
                for bytes in bytes.as_chunks::<2>().0 {
                    values.push(half::widen(u16::from_le_bytes(*bytes)));
                }
            }
            _ => singles(bytes, &mut values),
        }
        self.finite(part, &values);
        values
    }

    fn finite(&mut self, part: &str, values: &[f32]) {
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            self.refuse(part, TensorFault::NotFinite { at });
        }
    }

    fn scales(&mut self, part: &str, rows: usize) -> Vec<f32> {
        let part = [part, ".scale"].concat();
        let bytes = self.take(&part, &[rows], &["F32"]);
        let mut scales = Vec::with_capacity(bytes.len() / 4);
        singles(bytes, &mut scales);
        self.finite(&part, &scales);
        if let Some(at) = scales.iter().position(|scale| *scale < 0.0) {
            self.refuse(&part, TensorFault::NotPositive { at });
        }
        scales
    }

    /// Takes numbers of one dimension, which are only there where there are any.
    #[inline(never)]
    pub fn list(&mut self, part: &str, length: usize) -> Vec<f32> {
        if length == 0 { Vec::new() } else { self.numbers(part, &[length]) }
    }

    /// Takes a table of two dimensions; bytes stay bytes.
    #[inline(never)]
    pub fn table(&mut self, part: &str, rows: usize) -> Option<Table> {
        let (found, dim) = (self.size(part, 0), self.size(part, 1));
        let table = if self.dtype(part) == "I8" {
            let bytes = self.take(part, &[rows, ANY], &["I8"]);
            let scales = self.scales(part, found);
            let mut signed = Vec::with_capacity(bytes.len());
            for byte in bytes {
                signed.push(byte.cast_signed());
            }
            Table::bytes(found, dim, signed, scales)
        } else {
            Table::singles(found, dim, self.numbers(part, &[rows, ANY]))
        };
        match table {
            Ok(table) if self.notes.none() => return Some(table),
            Ok(_) => {}
            Err(error) => self.refuse(part, TensorFault::Block { error }),
        }
        None
    }

    /// Takes 32-bit whole numbers.
    #[inline(never)]
    pub fn words(&mut self, part: &str, length: usize) -> Vec<u32> {
        let bytes = self.take(part, &[length], &["U32", "I32"]);
        let mut words = Vec::with_capacity(bytes.len() / 4);
        for bytes in bytes.as_chunks::<4>().0 {
            words.push(u32::from_le_bytes(*bytes));
        }
        words
    }

    /// Says what was wrong, and refuses what nobody took.
    pub fn close(mut self) -> Result<(), BundleError> {
        for tensor in &self.all {
            if !tensor.taken {
                self.notes.tensor(&[&tensor.name], TensorFault::Unexpected);
            }
        }
        self.notes.close(words!("spec"))
    }
}

fn singles(bytes: &[u8], out: &mut Vec<f32>) {
    for bytes in bytes.as_chunks::<4>().0 {
        out.push(f32::from_le_bytes(*bytes));
    }
}
