//! Tests that run the built binary through real clients, and the load program.
