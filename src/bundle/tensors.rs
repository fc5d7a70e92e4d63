//! The tensors of a container, taken one by one by the blocks that need them.
//!
//! A tensor is checked when it is taken: type, shape, finite numbers. What nobody took is refused in the end.

use alloc::vec::Vec;

use super::container::Tensor;
use super::notes::Notes;
use super::{BundleError, TensorFault};
use crate::block::Table;
use crate::kernel::half;

/// Stands in an expected shape for any size of 1 or more.
pub(super) const ANY: usize = usize::MAX;

/// The tensors that are left, and what was wrong so far.
pub(super) struct Tensors<'a> {
    pub left: Vec<Tensor<'a>>,
    pub notes: Notes,
}

impl<'a> Tensors<'a> {
    fn find(&self, block: &str, part: &str) -> Option<usize> {
        let own = |name: &str| name.strip_prefix(block)?.strip_prefix('.').map(|rest| rest == part);
        self.left.iter().position(|tensor| own(&tensor.name) == Some(true))
    }

    /// Whether the file has it.
    pub fn has(&self, block: &str, part: &str) -> bool {
        self.find(block, part).is_some()
    }

    /// Takes a tensor of this shape, of one of these types.
    fn take(&mut self, block: &str, part: &str, shape: &[usize], types: &[&str]) -> Option<Tensor<'a>> {
        let Some(at) = self.find(block, part) else { return self.notes.refuse(block, part, TensorFault::Missing) };
        let tensor = self.left.swap_remove(at);
        if !types.contains(&tensor.dtype) {
            return self.notes.refuse(block, part, TensorFault::Dtype);
        }
        let mut fits = tensor.shape.len() == shape.len();
        for (found, expected) in tensor.shape.iter().zip(shape) {
            fits &= if *expected == ANY { *found > 0 } else { found == expected };
        }
        if !fits {
            let expected = shape.iter().map(|dim| if *dim == ANY { 0 } else { *dim }).collect();
            return self.notes.refuse(block, part, TensorFault::Shape { expected, found: tensor.shape });
        }
        Some(tensor)
    }

    /// Takes numbers: singles, halves, or bytes with one scale a row, which then is the tensor `<part>.scale`.
    ///
    /// Gives the shape, which says what [`ANY`] is, and the numbers as singles.
    pub fn numbers(&mut self, block: &str, part: &str, shape: &[usize]) -> Option<(Vec<usize>, Vec<f32>)> {
        let tensor = self.take(block, part, shape, &["F32", "F16", "I8"])?;
        let mut values = Vec::with_capacity(tensor.bytes.len() / 4);
        match tensor.dtype {
            "I8" => {
                let rows = tensor.shape.first().copied().unwrap_or(1);
                let scales = self.scales(block, part, rows)?;
                let width = tensor.bytes.len().checked_div(rows).unwrap_or(0).max(1);
                for (row, scale) in tensor.bytes.chunks(width).zip(&scales) {
                    for byte in row {
                        values.push(f32::from(byte.cast_signed()) * scale);
                    }
                }
            }
            "F16" => {
                for bytes in tensor.bytes.as_chunks::<2>().0 {
                    values.push(half::widen(u16::from_le_bytes(*bytes)));
                }
            }
            _ => {
                for bytes in tensor.bytes.as_chunks::<4>().0 {
                    values.push(f32::from_le_bytes(*bytes));
                }
            }
        }
        for (at, value) in values.iter().enumerate() {
            if !value.is_finite() {
                return self.notes.refuse(block, part, TensorFault::NotFinite { at });
            }
        }
        Some((tensor.shape, values))
    }

    fn scales(&mut self, block: &str, part: &str, rows: usize) -> Option<Vec<f32>> {
        let part = [part, ".scale"].concat();
        let tensor = self.take(block, &part, &[rows], &["F32"])?;
        let mut scales = Vec::with_capacity(rows);
        for bytes in tensor.bytes.as_chunks::<4>().0 {
            let scale = f32::from_le_bytes(*bytes);
            if !scale.is_finite() {
                return self.notes.refuse(block, &part, TensorFault::NotFinite { at: scales.len() });
            }
            if scale < 0.0 {
                return self.notes.refuse(block, &part, TensorFault::NotPositive { at: scales.len() });
            }
            scales.push(scale);
        }
        Some(scales)
    }

    /// Takes numbers of one dimension.
    pub fn list(&mut self, block: &str, part: &str, length: usize) -> Option<Vec<f32>> {
        Some(self.numbers(block, part, &[length])?.1)
    }

    /// Takes a table of two dimensions; bytes stay bytes.
    pub fn table(&mut self, block: &str, part: &str, rows: usize) -> Option<Table> {
        let bytes = self.find(block, part).and_then(|at| self.left.get(at)).is_some_and(|tensor| tensor.dtype == "I8");
        let table = if bytes {
            let tensor = self.take(block, part, &[rows, ANY], &["I8"])?;
            let [rows, dim] = <[usize; 2]>::try_from(tensor.shape).unwrap_or_default();
            let scales = self.scales(block, part, rows)?;
            let signed = tensor.bytes.iter().map(|byte| byte.cast_signed()).collect();
            Table::bytes(rows, dim, signed, scales)
        } else {
            let (shape, numbers) = self.numbers(block, part, &[rows, ANY])?;
            let [rows, dim] = <[usize; 2]>::try_from(shape).unwrap_or_default();
            Table::singles(rows, dim, numbers)
        };
        match table {
            Ok(table) => Some(table),
            Err(error) => self.notes.refuse(block, part, TensorFault::Block { error }),
        }
    }

    /// Takes whole numbers of `size` bytes. The signed type of that size may stand for the unsigned one: the bits are taken.
    pub fn whole(&mut self, block: &str, part: &str, length: usize, types: [&str; 2]) -> Option<Vec<u8>> {
        Some(self.take(block, part, &[length], &types)?.bytes.to_vec())
    }

    /// Takes 32-bit whole numbers.
    pub fn words(&mut self, block: &str, part: &str, length: usize) -> Option<Vec<u32>> {
        let bytes = self.whole(block, part, length, ["U32", "I32"])?;
        Some(bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }

    /// How many dimensions a tensor has that may be there.
    pub fn rank(&self, block: &str, part: &str) -> usize {
        self.find(block, part).and_then(|at| self.left.get(at)).map_or(0, |tensor| tensor.shape.len())
    }

    /// The shape of a tensor that may be there.
    pub fn shape(&self, block: &str, part: &str) -> Option<&[usize]> {
        self.find(block, part).and_then(|at| self.left.get(at)).map(|tensor| tensor.shape.as_slice())
    }

    /// The type of a tensor that may be there.
    pub fn dtype(&self, block: &str, part: &str) -> &'static str {
        self.find(block, part).and_then(|at| self.left.get(at)).map_or("", |tensor| tensor.dtype)
    }

    /// Says what was wrong, and refuses what nobody took.
    pub fn close(self) -> Result<(), BundleError> {
        self.notes.close()?;
        match self.left.into_iter().next() {
            Some(left) => Err(BundleError::Tensor { name: left.name, fault: TensorFault::Unexpected }),
            None => Ok(()),
        }
    }
}
