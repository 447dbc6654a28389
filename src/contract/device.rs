//! Device records, as the API takes and gives them.
