//! Named tensors, and what is gathered to move them.

/// One tensor of a model under training.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Block and part, joined by a dot.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its numbers, row by row.
    pub numbers: Vec<f32>,
    /// Whether a batch meets only some of its rows, so that only those are moved.
    pub sparse: bool,
    /// Whether penalties hold it: constants and offsets are free.
    pub penalised: bool,
    /// Whether it stays as it is.
    pub frozen: bool,
    /// For sparse tensors: how often the training examples meet each row, in one pass. Empty where that is not counted.
    pub meetings: Vec<f32>,
}

impl Tensor {
    /// How many numbers are moved together: a row of a sparse tensor, all of another.
    #[inline]
    pub fn width(&self) -> usize {
        if self.sparse { self.shape.get(1).copied().unwrap_or(1) } else { self.numbers.len() }
    }

    /// How many rows are moved by themselves: those of a sparse tensor, one of another.
    #[inline]
    pub fn rows(&self) -> usize {
        if self.sparse { self.shape[0] } else { 1 }
    }

    /// One row of a sparse tensor.
    #[inline]
    pub fn row(&self, row: u32) -> &[f32] {
        let width = self.width();
        &self.numbers[row as usize * width..][..width]
    }
}

/// All tensors of a model, in the order in which blocks made them.
pub type Params = Vec<Tensor>;

/// Copies the numbers of these tensors into what the engine takes them from, list by list.
pub fn fill_lists<'l>(params: &Params, tensors: &[usize], lists: impl Iterator<Item = &'l mut [f32]>) {
    for (tensor, slots) in tensors.iter().zip(lists) {
        slots.copy_from_slice(&params[*tensor].numbers);
    }
}

/// A list in parts of this length, and then empty ones: so that lists of which one may be missing are cut side by side.
pub fn cut<T>(list: &mut [T], length: usize) -> impl Iterator<Item = &mut [T]> {
    list.chunks_mut(length).chain(std::iter::repeat_with(Default::default))
}

/// The sum of the gradients of one tensor over a batch.
#[derive(Clone, Debug)]
pub enum Gradient {
    /// For every number.
    Whole(Vec<f32>),
    /// For the rows that the batch met.
    Rows(Rows),
}

/// Gradients of the rows that were met, in the order in which they were met first.
#[derive(Clone, Debug)]
pub struct Rows {
    width: usize,
    /// By row, its place among the met ones; `u32::MAX` for the others.
    place: Vec<u32>,
    /// The rows that were met.
    pub met: Vec<u32>,
    /// How often each was met.
    pub times: Vec<f32>,
    /// Their gradients, one behind the other.
    pub sums: Vec<f32>,
}

impl Rows {
    fn new(rows: usize, width: usize) -> Self {
        Self { width, place: vec![u32::MAX; rows], met: Vec::new(), times: Vec::new(), sums: Vec::new() }
    }

    /// The gradient of a row, to be added to.
    #[inline]
    pub fn meet(&mut self, row: u32) -> &mut [f32] {
        let slot = &mut self.place[row as usize];
        if *slot == u32::MAX {
            *slot = self.met.len() as u32;
            self.met.push(row);
            self.times.push(0.0);
            self.sums.resize(self.sums.len() + self.width, 0.0);
        }
        let at = *slot as usize;
        self.times[at] += 1.0;
        &mut self.sums[at * self.width..][..self.width]
    }

    /// The gradient of a row, and how often it was met, if it was.
    #[inline]
    pub fn get(&self, row: u32) -> Option<(&[f32], f32)> {
        let at = self.place[row as usize] as usize;
        (at < self.met.len()).then(|| (&self.sums[at * self.width..][..self.width], self.times[at]))
    }

    fn clear(&mut self) {
        for row in self.met.drain(..) {
            self.place[row as usize] = u32::MAX;
        }
        self.times.clear();
        self.sums.clear();
    }

    fn add(&mut self, other: &Self) {
        for ((row, times), sum) in other.met.iter().zip(&other.times).zip(other.sums.chunks_exact(self.width.max(1))) {
            for (into, x) in self.meet(*row).iter_mut().zip(sum) {
                *into += x;
            }
            self.times[self.place[*row as usize] as usize] += times - 1.0;
        }
    }
}

/// The gradients of all tensors of a model.
#[derive(Clone, Debug)]
pub struct Gradients(pub Vec<Gradient>);

impl Gradients {
    /// Zeros for these tensors.
    pub fn new(params: &Params) -> Self {
        let each = |tensor: &Tensor| {
            if tensor.sparse {
                Gradient::Rows(Rows::new(tensor.shape[0], tensor.width()))
            } else {
                Gradient::Whole(vec![0.0; tensor.numbers.len()])
            }
        };
        Self(params.iter().map(each).collect())
    }

    /// The gradient of a tensor that every batch meets whole.
    pub fn whole(&mut self, tensor: usize) -> &mut [f32] {
        match &mut self.0[tensor] {
            Gradient::Whole(sums) => sums,
            Gradient::Rows(_) => &mut [],
        }
    }

    /// Adds what an engine's backward walk gave for these tensors, list by list.
    pub fn add_lists<'l>(&mut self, tensors: &[usize], lists: impl Iterator<Item = &'l mut [f32]>) {
        for (tensor, slopes) in tensors.iter().zip(lists) {
            self.whole(*tensor).iter_mut().zip(slopes).for_each(|(into, slope)| *into += *slope);
        }
    }

    /// The gradient of a row of a sparse tensor.
    #[inline]
    pub fn row(&mut self, tensor: usize, row: u32) -> &mut [f32] {
        match &mut self.0[tensor] {
            Gradient::Rows(rows) => rows.meet(row),
            Gradient::Whole(_) => &mut [],
        }
    }

    /// Zeros again.
    pub fn clear(&mut self) {
        for gradient in &mut self.0 {
            match gradient {
                Gradient::Whole(sums) => sums.fill(0.0),
                Gradient::Rows(rows) => rows.clear(),
            }
        }
    }

    /// Adds what another worker gathered.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            match (mine, theirs) {
                (Gradient::Whole(mine), Gradient::Whole(theirs)) => {
                    mine.iter_mut().zip(theirs).for_each(|(x, y)| *x += y);
                }
                (Gradient::Rows(mine), Gradient::Rows(theirs)) => mine.add(theirs),
                _ => {}
            }
        }
    }

    /// All numbers, tensor by tensor.
    pub fn numbers_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.0.iter_mut().map(|gradient| match gradient {
            Gradient::Whole(sums) => sums.as_mut_slice(),
            Gradient::Rows(rows) => rows.sums.as_mut_slice(),
        })
    }
}
