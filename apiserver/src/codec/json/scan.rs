//! Searches through bytes, many at a time.
//!
//! Keeps: an answer never depends on how many bytes are looked at together; a test that says "may" can only be
//! wrong towards the slower path.

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
pub(super) fn structure_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_string = false;
    loop {
        let block = bytes.get(at..).and_then(<[u8]>::first_chunk);
        if let Some(brackets) = block.and_then(|block| block::brackets(block, in_string))
            && brackets.closing < depth
        {
            depth = depth + brackets.opening - brackets.closing;
            in_string = brackets.in_string;
            at += BLOCK;
            continue;
        }
        let end = at + BLOCK;
        while at < end {
            match *bytes.get(at)? {
                b'"' => in_string = !in_string,
                b'\\' => at += 1,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            at += 1;
        }
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

    /// Marks exactly the bytes that are equal to `byte` in the bits outside of `ignored`.
    #[inline]
    fn exactly(word: u64, byte: u8, ignored: u8) -> u64 {
        let different = (word & !(ONES * u64::from(ignored))) ^ (ONES * u64::from(byte));
        !(((different & !HIGHS) + !HIGHS) | different) & HIGHS
    }

    /// How many bytes are marked.
    #[inline]
    fn count(marks: u64) -> usize {
        ((marks >> 7).wrapping_mul(ONES) >> 56) as usize
    }

    /// The brackets of a block that stand outside of strings.
    pub(super) struct Brackets {
        pub(super) opening: usize,
        pub(super) closing: usize,
        /// A string is open behind the block.
        pub(super) in_string: bool,
    }

    /// Counts brackets; a block with a backslash is left to others.
    #[inline]
    pub(super) fn brackets(block: &[u8; 8], in_string: bool) -> Option<Brackets> {
        let word = u64::from_le_bytes(*block);
        if exactly(word, b'\\', 0) != 0 {
            return None;
        }
        // From each quote on everything is marked, up to the next quote.
        let mut strings = exactly(word, b'"', 0);
        strings ^= strings << 8;
        strings ^= strings << 16;
        strings ^= strings << 32;
        strings ^= if in_string { HIGHS } else { 0 };
        Some(Brackets {
            opening: count(exactly(word, b'[', b'[' ^ b'{') & !strings),
            closing: count(exactly(word, b']', b']' ^ b'}') & !strings),
            in_string: strings >> 63 != 0,
        })
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
