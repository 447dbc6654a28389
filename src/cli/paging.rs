//! Which page of a list is asked for.

use clap::Args;

/// A page, as the admin API names it.
#[derive(Debug, Args)]
pub(super) struct Paging {
    /// Only what comes behind this cursor, which the page before named
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

impl Paging {
    /// Its query parameters.
    pub(super) fn query(self) -> Vec<(&'static str, String)> {
        let after = self.after.map(|after| ("after", after));
        after.into_iter().chain([("limit", self.limit.to_string())]).collect()
    }
}
