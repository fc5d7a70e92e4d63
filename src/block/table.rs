//! Tables of vectors, one row for each feature or item, as singles or as bytes with one scale a row.

use super::error::{BlockError, finite};
use crate::kernel::int8;
use alloc::vec::Vec;

/// The most rows.
const MOST_ROWS: usize = 1 << 24;
/// Rows of bytes are stored in groups of so many.
const BYTES: usize = 16;

/// `rows × dim` numbers.
///
/// Rows are stored with zeros up to a multiple of four singles, or sixteen bytes, [`Table::width`], so that no loop has a tail; zeros change no sum.
///
/// # Examples
/// ```
/// use zhiji::block::Table;
/// let table = Table::singles(1, 3, vec![1.0, 0.5, 0.25])?;
/// assert_eq!((table.rows(), table.dim(), table.width()), (1, 3, 4));
/// let mut row = [0.0; 3];
/// table.read(0, &mut row);
/// assert_eq!(row, [1.0, 0.5, 0.25]);
/// # Ok::<(), zhiji::block::BlockError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    rows: usize,
    dim: usize,
    width: usize,
    numbers: Numbers,
}

/// The numbers of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    /// In single precision.
    Singles(Vec<f32>),
    /// Bytes and, for each row, what they are multiplied with.
    Bytes(Vec<i8>, Vec<f32>),
}

impl Table {
    /// A table in single precision.
    ///
    /// # Shapes
    /// `numbers`: `[rows, dim]`, row by row.
    ///
    /// # Errors
    /// [`BlockError`] of the part `table`: `Size` for more than 2²⁴ rows, no dimension or more than 512; `Shape`; `NotFinite`.
    pub fn singles(rows: usize, dim: usize, numbers: Vec<f32>) -> Result<Self, BlockError> {
        let width = check(rows, dim, numbers.len(), 4)?;
        finite("table", &numbers)?;
        let numbers = if width == dim { numbers } else { padded(&numbers, dim, width) };
        Ok(Table { rows, dim, width, numbers: Numbers::Singles(numbers) })
    }

    /// A table of bytes: row `r` stands for `scale[r] · numbers[r]`.
    ///
    /// # Shapes
    /// `numbers`: `[rows, dim]`, row by row; `scale`: `[rows]`.
    ///
    /// # Errors
    /// As [`Table::singles`]; of the part `scale` also `Range`, where one is negative.
    pub fn bytes(rows: usize, dim: usize, numbers: Vec<i8>, scale: Vec<f32>) -> Result<Self, BlockError> {
        let width = check(rows, dim, numbers.len(), BYTES)?;
        if scale.len() != rows {
            return Err(BlockError::Shape { part: "scale" });
        }
        finite("scale", &scale)?;
        for scale in &scale {
            if *scale < 0.0 {
                return Err(BlockError::Range { part: "scale" });
            }
        }
        let numbers = if width == dim { numbers } else { padded(&numbers, dim, width) };
        Ok(Table { rows, dim, width, numbers: Numbers::Bytes(numbers, scale) })
    }

    /// The same numbers as bytes, each within half of its row's scale. A table of bytes stays as it is.
    pub fn quantised(self) -> Self {
        let Numbers::Singles(numbers) = &self.numbers else { return self };
        let width = self.dim.next_multiple_of(BYTES);
        let mut bytes = vec![0; self.rows * width];
        let mut scale = Vec::with_capacity(self.rows);
        for (row, out) in numbers.chunks_exact(self.width).zip(bytes.chunks_exact_mut(width)) {
            scale.push(int8::quantise(row, out));
        }
        Table { width, numbers: Numbers::Bytes(bytes, scale), ..self }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Length of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Length of a row as it is stored: `dim`, rounded up to a multiple of four or sixteen.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Writes a row as singles; zeros for a row that the table does not have.
    ///
    /// # Shapes
    /// `out`: `[dim]` or `[width]`.
    pub fn read(&self, row: usize, out: &mut [f32]) {
        out.fill(0.0);
        let from = row.saturating_mul(self.width);
        let span = from..from.saturating_add(self.width);
        match &self.numbers {
            Numbers::Singles(numbers) => {
                for (slot, x) in out.iter_mut().zip(numbers.get(span).unwrap_or_default()) {
                    *slot = *x;
                }
            }
            Numbers::Bytes(numbers, scale) => {
                let scale = scale.get(row).copied().unwrap_or(0.0);
                for (slot, q) in out.iter_mut().zip(numbers.get(span).unwrap_or_default()) {
                    *slot = scale * f32::from(*q);
                }
            }
        }
    }

    /// Whether its rows are bytes.
    pub fn is_bytes(&self) -> bool {
        matches!(self.numbers, Numbers::Bytes(..))
    }

    /// The bytes of a row and its scale, where the table has the row and has it so.
    pub(super) fn row_of_bytes(&self, row: usize) -> Option<(&[i8], f32)> {
        let Numbers::Bytes(numbers, scale) = &self.numbers else { return None };
        let from = row.checked_mul(self.width)?;
        Some((numbers.get(from..from.checked_add(self.dim)?)?, *scale.get(row)?))
    }

    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }
}

/// The stored length of a row.
fn check(rows: usize, dim: usize, numbers: usize, group: usize) -> Result<usize, BlockError> {
    if rows > MOST_ROWS || dim == 0 || dim > int8::MOST_DIM {
        return Err(BlockError::Size { part: "table" });
    }
    if rows.checked_mul(dim) != Some(numbers) {
        return Err(BlockError::Shape { part: "table" });
    }
    Ok(dim.next_multiple_of(group))
}

fn padded<T: Copy + Default>(numbers: &[T], dim: usize, width: usize) -> Vec<T> {
    let zeros = [T::default(); BYTES];
    let mut out = Vec::with_capacity(numbers.len() / dim * width);
    for row in numbers.chunks_exact(dim) {
        out.extend_from_slice(row);
        out.extend_from_slice(&zeros[..width - dim]);
    }
    out
}
