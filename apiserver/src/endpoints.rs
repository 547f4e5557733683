//! The writing endpoints: create, update, patch and their views, each an attempt for the write loop.

mod create;
mod delete;
pub(crate) mod delete_options;
mod patch;
pub(crate) mod scale;
mod special;
mod token;
mod update;
