//! The command line: serve and join.
