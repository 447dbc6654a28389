//! The API of operators and of the systems that hand in requests: one verb per function, one file per noun.
