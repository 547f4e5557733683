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
