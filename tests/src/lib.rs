//! Harness of whole-cluster tests.
