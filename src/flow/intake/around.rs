//! What the database knows around a batch of requests, asked set-based: whether each is there already, and whom it is for.

use std::collections::{BTreeMap, BTreeSet};

use super::{AT_ONCE, Intake};
use crate::{
    contract::request::{Request, Targets},
    infra::store::{self, request::RequestRow, target::ListRow},
    model::{
        digest::Digest,
        id::{DeviceId, DeviceKey, ListName, RequestId, RequestSource, Tenant},
    },
};

/// Names of devices that are asked for at once.
const NAMES: usize = 10_000;

/// A request that could be read.
pub(super) struct Asked {
    pub(super) tenant: Tenant,
    pub(super) request: Request,
    pub(super) digest: Digest,
}

/// What the database knows of the requests of a batch.
#[derive(Default)]
pub(super) struct Around {
    /// Those that are there already.
    stored: BTreeMap<(Tenant, RequestSource, RequestId), RequestRow>,
    /// The devices that have a record, of the others whose jobs are stored with them.
    known: BTreeMap<Tenant, BTreeMap<String, DeviceKey>>,
    /// The target lists that the others name.
    lists: BTreeMap<(Tenant, ListName), ListRow>,
}

impl Asked {
    const fn names(&self) -> (&Tenant, &RequestSource, &RequestId) {
        (&self.tenant, &self.request.source, &self.request.request_id)
    }
}

impl Around {
    /// The request that was stored under the same identity.
    pub(super) fn stored_as(&self, asked: &Asked) -> Option<&RequestRow> {
        let (tenant, source, id) = asked.names();
        self.stored.get(&(tenant.clone(), source.clone(), id.clone()))
    }

    /// The devices of a tenant that have a record, by their normalised names.
    pub(super) fn known_to(&self, tenant: &Tenant) -> &BTreeMap<String, DeviceKey> {
        const NOBODY: &BTreeMap<String, DeviceKey> = &BTreeMap::new();
        self.known.get(tenant).unwrap_or(NOBODY)
    }

    /// The target list of that name.
    pub(super) fn list(&self, tenant: &Tenant, name: &ListName) -> Option<&ListRow> {
        self.lists.get(&(tenant.clone(), name.clone()))
    }
}

impl Intake {
    /// What the database knows of a batch: a question for all identities, one for all devices, and one for each target list.
    pub(super) async fn around(&self, asked: impl Iterator<Item = &Asked>) -> Result<Around, store::Error> {
        let asked: Vec<&Asked> = asked.collect();
        let names: Vec<_> = asked.iter().map(|asked| asked.names()).collect();
        let mut around = Around::default();
        for row in self.store.requests_by_id(&names).await? {
            around.stored.insert((row.tenant.clone(), row.source.clone(), row.request_id.clone()), row);
        }
        let mut norms: BTreeMap<&Tenant, BTreeSet<String>> = BTreeMap::new();
        let mut lists: BTreeSet<(&Tenant, &ListName)> = BTreeSet::new();
        for asked in asked.into_iter().filter(|asked| around.stored_as(asked).is_none()) {
            match &asked.request.targets {
                Targets::Devices(devices) if devices.len() <= AT_ONCE => {
                    norms.entry(&asked.tenant).or_default().extend(devices.iter().map(DeviceId::normalised));
                }
                Targets::List(name) => drop(lists.insert((&asked.tenant, name))),
                Targets::Devices(_) | Targets::Filter(_) => {}
            }
        }
        for (tenant, norms) in norms {
            let known = around.known.entry(tenant.clone()).or_default();
            for some in norms.into_iter().collect::<Vec<_>>().chunks(NAMES) {
                let rows = self.store.known_devices(tenant, some).await?;
                known.extend(rows.into_iter().map(|row| (row.device_norm, row.key)));
            }
        }
        for (tenant, name) in lists {
            if let Some(list) = self.store.find_list(tenant, name).await? {
                around.lists.insert((tenant.clone(), name.clone()), list);
            }
        }
        Ok(around)
    }
}
