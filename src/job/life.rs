//! Every legal transition of a job and no other.
