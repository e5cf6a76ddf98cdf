//! Memory that every connection on a thread works in, so that none owns its own.

use std::cell::RefCell;

/// Room for a partial record (at most 18,437 bytes) and 16 KiB of fresh bytes.
const INPUT: usize = 34 * 1024;
/// What the output may keep of its growth between uses.
const OUTPUT_KEPT: usize = 80 * 1024;

/// A thread's working memory.
pub(crate) struct Scratch {
    /// What is read, and decrypted in place.
    pub(crate) input: Box<[u8]>,
    /// What is about to be written; empty between uses.
    pub(crate) output: Vec<u8>,
}

impl Scratch {
    fn new() -> Self {
        Self { input: vec![0; INPUT].into_boxed_slice(), output: Vec::new() }
    }
}

/// What a buffer for words may keep of its growth between uses.
const WORDS_KEPT: usize = 16 * 1024;
/// Such buffers that a thread keeps: one for what is heard, one for what is said.
const SPARE: usize = 2;

thread_local! {
    static SCRATCH: RefCell<Option<Scratch>> = const { RefCell::new(None) };
    static WORDS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer that has grown before, to be given back by [`give_back`]. Unlike
/// [`with`]'s it may be kept while its user waits, and given back on another thread.
pub(crate) fn words() -> Vec<u8> {
    WORDS.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// Keeps a buffer for the next one who asks for [`words`] on this thread.
pub(crate) fn give_back(mut words: Vec<u8>) {
    words.clear();
    words.shrink_to(WORDS_KEPT);
    WORDS.with_borrow_mut(|spare| {
        if spare.len() < SPARE {
            spare.push(words);
        }
    });
}

/// Lends the thread's working memory to `work`. A nested call gets fresh memory.
pub(crate) fn with<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    SCRATCH.with(|cell| match cell.try_borrow_mut() {
        Ok(mut slot) => {
            let scratch = slot.get_or_insert_with(Scratch::new);
            scratch.output.clear();
            let result = work(scratch);
            scratch.output.clear();
            scratch.output.shrink_to(OUTPUT_KEPT);
            result
        }
        Err(_) => work(&mut Scratch::new()),
    })
}
