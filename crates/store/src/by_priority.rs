//! One of something for each priority.

use std::ops::{Index, IndexMut};

use tidings_core::model::Priority;

/// One `T` for each priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ByPriority<T>(pub [T; 3]);

impl<T> Index<Priority> for ByPriority<T> {
    type Output = T;

    #[expect(clippy::indexing_slicing, reason = "there are three priorities, numbered from zero")]
    fn index(&self, priority: Priority) -> &T {
        &self.0[priority.index()]
    }
}

impl<T> IndexMut<Priority> for ByPriority<T> {
    #[expect(clippy::indexing_slicing, reason = "there are three priorities, numbered from zero")]
    fn index_mut(&mut self, priority: Priority) -> &mut T {
        &mut self.0[priority.index()]
    }
}
