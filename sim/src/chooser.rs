//! Who chooses what happens next: a random number, a vector of a property test, the bytes of a
//! fuzzer. The search needs nobody: it tries all.

/// Something that chooses.
pub trait Chooser {
    /// A number below `sides`, which is at least 1.
    fn below(&mut self, sides: usize) -> usize;

    /// What is drawn next is a part of its own, for which so many bytes are kept whether it needs
    /// them or not: what they say changes no other part. Who has no bytes need not know.
    fn part(&mut self, bytes: usize) {
        let _ = bytes;
    }

    /// True about once in `of` times; for a chooser that has run out, never.
    fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == of - 1
    }

    /// One of several.
    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// A number from `least` to `most`.
    fn span(&mut self, least: u32, most: u32) -> u32 {
        least + u32::try_from(self.below((most - least) as usize + 1)).unwrap_or(0)
    }
}

/// `SplitMix64`: the same seed gives the same numbers, on any machine and for ever.
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of that seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Chooser for Random {
    fn below(&mut self, sides: usize) -> usize {
        // The bias is below 2^-32 for anything that is chosen from here.
        let wide = u128::from(self.next()) * sides as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}

/// The bytes of a fuzzer, or of a property test: one for each choice among at most 256, two for
/// more. When those of a part are used up, it is always the first.
#[derive(Clone, Debug)]
pub struct Bytes<'b> {
    part: std::slice::Iter<'b, u8>,
    rest: &'b [u8],
}

impl<'b> Bytes<'b> {
    /// These bytes; each part has its own of them, in order.
    pub fn new(bytes: &'b [u8]) -> Self {
        Self { part: [].iter(), rest: bytes }
    }

    /// Are those of this part used up?
    pub fn is_empty(&self) -> bool {
        self.part.len() == 0
    }
}

impl Chooser for Bytes<'_> {
    fn part(&mut self, bytes: usize) {
        let (part, rest) = self.rest.split_at(bytes.min(self.rest.len()));
        self.part = part.iter();
        self.rest = rest;
    }

    fn below(&mut self, sides: usize) -> usize {
        let mut number = 0;
        let mut reach = 1;
        while reach < sides {
            number = number << 8 | usize::from(self.part.next().copied().unwrap_or(0));
            reach <<= 8;
        }
        number % sides
    }
}
