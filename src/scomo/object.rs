//! The nodes of the SCOMO management object.
