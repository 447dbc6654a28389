//! SyncML messages as XML.
