//! The replicated, versioned, watchable key-value store. Bytes in, bytes out.
