//! The one integration binary, a file per face.

mod packages;
