//! Ascending numbers in few bytes: differences in base 128, low groups first.

/// Encodes ascending numbers.
pub(crate) fn encode(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut last = 0;
    for number in numbers {
        put(&mut bytes, number.wrapping_sub(last));
        last = number;
    }
    bytes
}

/// Decodes what [`encode`] made; `None` for anything else.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let mut last = 0u64;
    while !bytes.is_empty() {
        last = last.wrapping_add(take(&mut bytes)?);
        numbers.push(last);
    }
    Some(numbers)
}

/// Appends one number.
pub(crate) fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes one number off the front.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(mut numbers: Vec<u64>) {
            numbers.sort_unstable();
            prop_assert_eq!(decode(&encode(numbers.iter().copied())), Some(numbers));
        }

        #[test]
        fn anything_else_is_refused_or_read_without_panic(bytes: Vec<u8>) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_cut_number_is_refused() {
        assert_eq!(decode(&[0x80]), None);
        assert_eq!(decode(&[0xff; 11]), None);
    }

    #[test]
    fn neighbours_take_a_byte_each() {
        assert_eq!(encode(1_000_000..1_000_100).len(), 3 + 99);
    }
}
