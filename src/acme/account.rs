//! The account at the authority: made once, and kept with its key.

use instant_acme::{Account, AccountBuilder, AccountCredentials, Key, NewAccount};
use rustls::pki_types::PrivateKeyDer;

use super::folder::{LockedFolder, Registered};
use super::transport::Transport;
use super::trouble::Trouble;
use crate::config::Acme;
use crate::telemetry::Telemetry;

/// What an account is opened with.
pub struct Accounts<'a> {
    pub transport: &'a Transport,
    pub acme: &'a Acme,
    pub folder: &'a LockedFolder<'a>,
    pub telemetry: &'a Telemetry,
}

impl Accounts<'_> {
    /// The account in the folder, or a new one.
    pub async fn open(&self) -> Result<Account, Trouble> {
        let Some(known) = self.folder.account()? else { return self.register().await };
        let account = self.builder().from_credentials(known.credentials).await?;
        if known.contact != self.acme.contact {
            account.update_contacts(&self.contacts()).await?;
            if let Some(known) = self.folder.account()? {
                self.store(known.credentials)?;
            }
        }
        Ok(account)
    }

    async fn register(&self) -> Result<Account, Trouble> {
        let contact = self.contacts();
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = self.builder().create(&new, self.acme.directory.clone(), None).await?;
        self.store(credentials)?;
        self.telemetry.info("account made at the authority", &[("account", &account.id())]);
        Ok(account)
    }

    /// Registers the key in the folder at an authority that does not know it.
    pub async fn register_again(&self) -> Result<Account, Trouble> {
        let Some(known) = self.folder.account()? else { return self.register().await };
        let key = known.credentials.private_key().clone_key();
        let key = (Key::from_pkcs8_der(key.clone_key())?, PrivateKeyDer::Pkcs8(key));
        let (account, credentials) = self.builder().create_from_key(key, self.acme.directory.clone()).await?;
        if self.acme.contact.is_some() {
            account.update_contacts(&self.contacts()).await?;
        }
        self.store(credentials)?;
        self.telemetry.warn("the authority did not know the account; it is registered again", &[]);
        Ok(account)
    }

    fn builder(&self) -> AccountBuilder {
        Account::builder_with_http(Box::new(self.transport.clone()))
    }

    fn contacts(&self) -> Vec<&str> {
        self.acme.contact.as_deref().into_iter().collect()
    }

    /// Stores the account with the contact that the authority knows now.
    fn store(&self, credentials: AccountCredentials) -> Result<(), Trouble> {
        self.folder.set_account(&Registered { contact: self.acme.contact.clone(), credentials })
    }
}
