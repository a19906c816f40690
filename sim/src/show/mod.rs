//! What happened, for people: text and pictures of worlds and of what a search found.
//!
//! | function | of what | is read by |
//! |---|---|---|
//! | [`ps`] | the processes of one moment | who asks why a law is broken |
//! | [`story`] | the dialogue with everybody's moves between | the same; replayed as a record |
//! | [`counterexample`] | a broken law | the reader of a failed test |
//! | [`timeline`], [`timeline_svg`] | a life, a row a process | who wants to see a container stop |
//! | [`diagram_svg`] | the changes of phase that a search found | the reader of the docs |
//!
//! All but `ps` and the diagram are made of a world's [notes](crate::note), so the world must be
//! a [noted](crate::world::World::noted) one. Both time lines draw the `Life` of life.rs, in which
//! what happened is already laid out. The same notes always make the same text, byte for byte:
//! documents are compared with it.

mod counterexample;
mod diagram;
mod layout;
mod life;
mod names;
mod ps;
mod story;
mod svg;
mod timeline;

pub use counterexample::counterexample;
pub use diagram::diagram_svg;
pub use ps::ps;
pub use story::story;
pub use svg::timeline_svg;
pub use timeline::timeline;

#[cfg(test)]
mod tests;
