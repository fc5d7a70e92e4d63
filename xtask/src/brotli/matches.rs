//! What of a text stands in it already.

/// How many earlier places with the same two bytes are looked at, and with the same three.
const DEPTHS: [(usize, usize); 2] = [(2, 200), (3, 4000)];

/// The copies that each place may begin with.
pub struct Matches {
    starts: Vec<usize>,
    all: Vec<Match>,
}

/// The longest copy from a distance.
#[derive(Clone, Copy)]
pub struct Match {
    pub length: u32,
    pub distance: u32,
}

impl Matches {
    pub fn of(text: &[u8]) -> Self {
        let before = DEPTHS.map(|(width, _)| before(text, width));
        let (mut starts, mut all) = (vec![0], Vec::new());
        for place in 0..text.len() {
            let mut longest = 1;
            for (before, (_, depth)) in before.iter().zip(DEPTHS) {
                let mut earlier = place;
                for _ in 0..depth {
                    let Some(found) = before[earlier] else { break };
                    earlier = found as usize;
                    // Most are no longer than what is known: the byte that would make them so tells.
                    if text.get(place + longest).is_none_or(|byte| *byte != text[earlier + longest]) {
                        continue;
                    }
                    let length = common(text, earlier, place);
                    if length > longest {
                        longest = length;
                        all.push(Match { length: length as u32, distance: (place - earlier) as u32 });
                    }
                }
            }
            starts.push(all.len());
        }
        Self { starts, all }
    }

    /// Each longer than those before it.
    pub fn at(&self, place: usize) -> &[Match] {
        &self.all[self.starts[place]..self.starts[place + 1]]
    }
}

/// How many bytes are the same from two places on.
pub fn common(text: &[u8], earlier: usize, place: usize) -> usize {
    text[place..].iter().zip(&text[earlier..]).take_while(|(a, b)| a == b).count()
}

/// For each place the latest one before it that begins with the same bytes.
fn before(text: &[u8], width: usize) -> Vec<Option<u32>> {
    let mut last = std::collections::HashMap::new();
    let mut before = vec![None; text.len()];
    for (place, window) in text.windows(width).enumerate() {
        before[place] = last.insert(window, place as u32);
    }
    before
}
