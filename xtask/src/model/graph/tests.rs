//! Histories in a line each: heads, order, reach, bookkeeping, and every way to be broken.
