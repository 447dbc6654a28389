//! Rules: the only user of the expression language.
