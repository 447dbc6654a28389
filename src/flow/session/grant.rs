//! Grants: a secret URL under which one device may fetch one file until it expires (SCOMO sheet 5.1).

use super::desk::Desk;
use crate::{
    infra::store::{Write, grant::GrantRow},
    job::procedure::{Mechanism, Package},
    model::{digest::Digest, id::GrantId},
    wire::descriptor::Descriptor,
};

/// The longest PkgURL that devices store (contract "Listeners").
const MOST_URL: usize = 255;
/// Characters of the random token: 192 bits.
const TOKEN: usize = 32;

impl Desk<'_> {
    /// Gives the job in hand a grant for `package`, and says what to write as PkgURL.
    pub(super) fn grant(&mut self, mechanism: Mechanism, package: &Package) -> String {
        let token = self.mint.token(TOKEN);
        let base = &self.flow.settings.download_url;
        let manifest = self.flow.catalogue.get(&package.of);
        let vendor = manifest.as_ref().and_then(|m| m.vendor.clone()).unwrap_or_default();
        let named = manifest.map_or_else(|| "package".to_owned(), |m| m.payload);
        let fits = base.len() + "/dl//".len() + TOKEN + named.len() <= MOST_URL;
        let file = if fits { named } else { "package".to_owned() };
        let object = format!("{base}/dl/{token}/{file}");
        let (url, descriptor) = match mechanism {
            Mechanism::Package => (object, None),
            Mechanism::Descriptor => {
                let descriptor = Descriptor {
                    name: package.name.clone(),
                    vendor,
                    description: package.description.clone().unwrap_or_default(),
                    types: vec![package.payload.mime.clone()],
                    size: package.payload.size,
                    object_uri: object,
                    install_notify_uri: Some(format!("{base}/dl/{token}/notify")),
                    install_param: package.install_params.clone(),
                    ..Descriptor::default()
                };
                (format!("{base}/dd/{token}"), Some(descriptor.write()))
            }
        };
        let Some(job) = self.work.job_id() else { return url };
        let row = GrantRow {
            id: GrantId::new(self.mint.uuid(self.now)),
            token_hash: Digest::of(token.as_bytes()),
            tenant: self.device.tenant.clone(),
            job,
            file_name: file,
            package: package.of.id.clone(),
            version: package.of.version.as_str().to_owned(),
            payload: package.payload.digest,
            size: package.payload.size,
            mime: package.payload.mime.clone(),
            mechanism: match mechanism {
                Mechanism::Package => "package".to_owned(),
                Mechanism::Descriptor => "descriptor".to_owned(),
            },
            descriptor,
            created_at: self.now,
            expires_at: self.now.after(self.flow.settings.grant),
            revoked: false,
            fetched: 0,
            notify_status: None,
        };
        self.work.writes.push(Write::GrantInsert(row));
        url
    }
}
