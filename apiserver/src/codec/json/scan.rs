//! Searches through bytes, many at a time.
//!
//! Keeps: an answer never depends on how many bytes are looked at together; a test that says "may" can only be
//! wrong towards the slower path.

use wide::u8x16;

/// Where the run of bytes from `at` ends that a JSON string shows as they are: at a quote, a backslash, a control
/// character, or the end.
#[inline]
pub(crate) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let plain = block::plain(block);
        at += plain;
        if plain < BLOCK {
            return at;
        }
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// Where the object or array ends that begins at `at`, in compact JSON text that is known to be sound; `None` when it
/// does not end.
pub(crate) fn structure_end(bytes: &[u8], at: usize) -> Option<usize> {
    let text = bytes.get(at..)?;
    let mut brackets = Brackets::default();
    let mut depth = 0_usize;
    let mut start = at;
    let (blocks, rest) = text.as_chunks();
    let mut last = [b' '; WIDE];
    last[..rest.len()].copy_from_slice(rest);
    for block in blocks.iter().chain([&last]) {
        let (opening, closing) = brackets.of(block);
        let closed = closing.count_ones() as usize;
        if closed < depth {
            depth = depth + opening.count_ones() as usize - closed;
        } else {
            let mut both = opening | closing;
            while both != 0 {
                let lowest = both & both.wrapping_neg();
                if opening & lowest != 0 {
                    depth += 1;
                } else {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(start + lowest.trailing_zeros() as usize + 1);
                    }
                }
                both ^= lowest;
            }
        }
        start += WIDE;
    }
    None
}

/// Finds the brackets outside of strings, block after block of a JSON text that begins outside of a string.
#[derive(Default)]
struct Brackets {
    /// All ones when the last block ended within a string.
    in_string: u64,
    /// One when the last block ended with a backslash that escapes what comes next.
    escaped: u64,
}

impl Brackets {
    /// The opening and the closing brackets of the next block, a bit for every byte, the first one lowest.
    #[inline]
    fn of(&mut self, block: &[u8; WIDE]) -> (u64, u64) {
        let (mut quotes, mut backslashes, mut opening, mut closing) = (0, 0, 0, 0);
        let (lanes, _) = block.as_chunks::<LANES>();
        for (i, lanes) in lanes.iter().enumerate() {
            let lanes = u8x16::new(*lanes);
            let mask = |found: u8x16| u64::from(found.move_mask().cast_unsigned()) << (i * LANES);
            quotes |= mask(lanes.cmp_eq(u8x16::splat(b'"')));
            backslashes |= mask(lanes.cmp_eq(u8x16::splat(b'\\')));
            // Brackets and braces differ in one bit, and no other character shares the rest.
            let folded = lanes | u8x16::splat(b'[' ^ b'{');
            opening |= mask(folded.cmp_eq(u8x16::splat(b'{')));
            closing |= mask(folded.cmp_eq(u8x16::splat(b'}')));
        }
        let quotes = quotes & !self.escaped_of(backslashes);
        // From each quote on everything is marked, up to the next quote.
        let mut strings = quotes;
        for distance in [1, 2, 4, 8, 16, 32] {
            strings ^= strings << distance;
        }
        strings ^= self.in_string;
        self.in_string = (strings.cast_signed() >> 63).cast_unsigned();
        (opening & !strings, closing & !strings)
    }

    /// What the backslashes of a block escape.
    #[inline]
    fn escaped_of(&mut self, mut backslashes: u64) -> u64 {
        let mut escaped = std::mem::take(&mut self.escaped);
        backslashes &= !escaped;
        while backslashes != 0 {
            let lowest = backslashes & backslashes.wrapping_neg();
            escaped |= lowest << 1;
            self.escaped = lowest >> 63;
            backslashes &= !(lowest | lowest << 1);
        }
        escaped
    }
}

/// Whether a text may hold something that is escaped in a JSON string; surely not when false.
#[inline]
pub(super) fn may_need_escape(text: &[u8]) -> bool {
    any_block(text, block::has_escape)
}

/// Whether JSON text may hold something that Go escapes when it copies it; surely not when false.
pub(super) fn may_need_html_escape(text: &[u8]) -> bool {
    any_block(text, block::has_html_escape)
}

/// Whether a test of blocks finds something in a text. The last block overlaps the one before it; a text that is shorter
/// than a block is filled up with bytes that no test finds.
#[inline]
fn any_block(text: &[u8], test: impl Fn(&[u8; BLOCK]) -> bool) -> bool {
    let Some(last) = text.last_chunk() else { return test(&padded(text)) };
    let mut rest = text;
    while let Some((block, behind)) = rest.split_first_chunk() {
        if test(block) {
            return true;
        }
        rest = behind;
    }
    test(last)
}

/// The bytes of a text shorter than a block, some of them twice.
#[inline]
fn padded(text: &[u8]) -> [u8; BLOCK] {
    const FILL: u8 = b'a';
    match (text.first_chunk(), text.last_chunk()) {
        (Some(&[a, b, c, d]), Some(&[w, x, y, z])) => [a, b, c, d, w, x, y, z],
        _ => match *text {
            [a, .., z] => [a, text[text.len() / 2], z, FILL, FILL, FILL, FILL, FILL],
            [a] => [a, FILL, FILL, FILL, FILL, FILL, FILL, FILL],
            [] => [FILL; BLOCK],
        },
    }
}

/// Bytes looked at together, as one word.
const BLOCK: usize = 8;
/// Bytes whose brackets are found together.
const WIDE: usize = 64;
/// Bytes compared by one instruction.
const LANES: usize = 16;

/// Arithmetic on the eight bytes of a word. A result has the high bit of a byte set where something was found; of
/// several marks only the lowest is sure, because a subtraction borrows from the byte above.
mod block {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;

    /// Marks the bytes that are zero.
    #[inline]
    fn zeros(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word
    }

    /// Marks the bytes that are equal to `byte` in the bits outside of `ignored`.
    #[inline]
    fn equal(word: u64, byte: u8, ignored: u8) -> u64 {
        zeros((word & !(ONES * u64::from(ignored))) ^ (ONES * u64::from(byte)))
    }

    /// Marks control characters.
    #[inline]
    fn control(word: u64) -> u64 {
        word.wrapping_sub(ONES * 0x20) & !word
    }

    /// Marks `<`, `>` (which differ in one bit) and what is not ASCII.
    #[inline]
    fn html(word: u64) -> u64 {
        equal(word, b'<', b'<' ^ b'>') | word
    }

    /// How many bytes of a block a JSON string shows as they are before the first that it does not.
    #[inline]
    pub(super) fn plain(block: &[u8; 8]) -> usize {
        let word = u64::from_le_bytes(*block);
        let found = (equal(word, b'"', 0) | equal(word, b'\\', 0) | control(word)) & HIGHS;
        found.trailing_zeros() as usize / 8
    }

    #[inline]
    pub(super) fn has_escape(block: &[u8; 8]) -> bool {
        let word = u64::from_le_bytes(*block);
        // A quote and an ampersand differ in one bit.
        let string = equal(word, b'"', b'"' ^ b'&') | equal(word, b'\\', 0) | control(word);
        (string | html(word)) & HIGHS != 0
    }

    #[inline]
    pub(super) fn has_html_escape(block: &[u8; 8]) -> bool {
        let word = u64::from_le_bytes(*block);
        (equal(word, b'&', 0) | html(word)) & HIGHS != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, one byte at a time and from the beginning.
    fn end_by_bytes(bytes: &[u8]) -> Option<usize> {
        let (mut depth, mut in_string, mut escaped) = (0, false, false);
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    #[test]
    fn a_structure_ends_where_its_bracket_does_whatever_stands_in_strings() {
        let pieces = [
            r#""f:name":{}"#,
            r#""k:{\"name\":\"a\"}":{".":{}}"#,
            r#""}":["]","[",{}]"#,
            r#""\\":[[],[1,-2]]"#,
            r#""\\\"}":true"#,
            r#""é{☃}":null"#,
            r#""":{"a":{"b":{"c":[{"d":{}}]}}}"#,
        ];
        let mut seed = 7_u64;
        for _ in 0..2_000 {
            let mut text = String::from("{");
            for _ in 0..(seed >> 40) % 6 + 1 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
                text.push(',');
            }
            text.pop();
            text.push_str("},\"more\":{}}");
            let bytes = text.as_bytes();
            assert_eq!(structure_end(bytes, 0), end_by_bytes(bytes), "{text}");
            let cut = end_by_bytes(bytes).unwrap() - 1;
            assert_eq!(structure_end(&bytes[..cut], 0), None, "{text}");
        }
    }
}
