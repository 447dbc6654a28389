//! The catalogue: manifests of delivery packages.
