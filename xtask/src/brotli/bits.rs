//! Bits one after another, the lowest of a byte first.

/// A stream that is being written.
#[derive(Default)]
pub struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    /// The lowest `width` bits of a value.
    pub fn put(&mut self, value: u32, width: u32) {
        for bit in 0..width {
            if self.len.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (self.len % 8);
            }
            self.len += 1;
        }
    }

    /// What was written to another stream.
    pub fn append(&mut self, other: &Self) {
        for bit in 0..other.len {
            self.put(u32::from(other.bytes[bit / 8] >> (bit % 8)), 1);
        }
    }

    /// How many were written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Filled up with zeros to whole bytes.
    pub fn bytes(self) -> Vec<u8> {
        self.bytes
    }
}
