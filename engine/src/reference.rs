//! The slow and obvious twin of the engine.
