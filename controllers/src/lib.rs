//! The control loops and the runtime that drives them.
