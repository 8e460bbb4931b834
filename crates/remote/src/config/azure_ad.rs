//! Azure credentials of remote write.

use yaml::{FilePath, Secret};

yaml::record! {
    /// Azure credentials: exactly one kind.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AzureAdConfig: "azuread.AzureADConfig", checked "azuread.plain" {
        /// A managed identity.
        pub managed_identity: Option<ManagedIdentity> => omit "managed_identity";
        /// A workload identity.
        pub workload_identity: Option<WorkloadIdentity> => omit "workload_identity";
        /// A client with a secret.
        pub oauth: Option<OauthClient> => omit "oauth";
        /// The SDK's default chain.
        pub sdk: Option<Sdk> => omit "sdk";
        /// A client with a certificate.
        pub certificate: Option<Certificate> => omit "certificate";
        /// `AzurePublic`, `AzureChina` or `AzureGovernment`.
        pub cloud: String => omit "cloud";
        /// Scope of the token, if not the cloud's.
        pub scope: String => omit "scope";
    }
}

yaml::record! {
    /// A managed identity.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ManagedIdentity: "azuread.ManagedIdentityConfig", open {
        /// Client; the system's identity if empty.
        pub client_id: String => omit "client_id";
    }
}

yaml::record! {
    /// A workload identity.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct WorkloadIdentity: "azuread.WorkloadIdentityConfig", open {
        /// Client.
        pub client_id: String => omit "client_id";
        /// Tenant.
        pub tenant_id: String => omit "tenant_id";
        /// Projected token.
        pub token_file_path: FilePath => omit "token_file_path";
    }
}

yaml::record! {
    /// A client with a secret.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct OauthClient: "azuread.OAuthConfig", open {
        /// Client.
        pub client_id: String => omit "client_id";
        /// Its secret.
        pub client_secret: Secret => omit "client_secret";
        /// Tenant.
        pub tenant_id: String => omit "tenant_id";
    }
}

yaml::record! {
    /// The SDK's default chain.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Sdk: "azuread.SDKConfig", open {
        /// Tenant.
        pub tenant_id: String => omit "tenant_id";
    }
}

yaml::record! {
    /// A client with a certificate.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Certificate: "azuread.CertificateConfig", open {
        /// Client.
        pub client_id: String => omit "client_id";
        /// Tenant.
        pub tenant_id: String => omit "tenant_id";
        /// Certificate.
        pub certificate_path: FilePath => omit "certificate_path";
        /// Key, if not beside the certificate.
        pub certificate_key_path: FilePath => omit "certificate_key_path";
        /// Password of the file.
        pub certificate_password: Secret => omit "certificate_password";
        /// Whether the chain is sent.
        pub send_certificate_chain: bool => omit "send_certificate_chain";
    }
}

impl AzureAdConfig {
    fn check(&mut self) -> Result<(), String> {
        if self.cloud.is_empty() {
            "AzurePublic".clone_into(&mut self.cloud);
        }
        if !matches!(
            self.cloud.as_str(),
            "AzurePublic" | "AzureChina" | "AzureGovernment"
        ) {
            return Err("must provide a cloud in the Azure AD config".into());
        }
        let kinds = [
            self.managed_identity.is_some(),
            self.workload_identity.is_some(),
            self.oauth.is_some(),
            self.sdk.is_some(),
            self.certificate.is_some(),
        ];
        match kinds.iter().filter(|set| **set).count() {
            0 => return Err("must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth, Azure SDK or Azure Certificate in the Azure AD config".into()),
            1 => {}
            _ => return Err("cannot provide multiple authentication methods in the Azure AD config".into()),
        }
        self.check_kind()?;
        let scope_ok = |c: char| c.is_ascii_alphanumeric() || " _:/.-".contains(c);
        if !self.scope.chars().all(scope_ok) {
            return Err("the provided scope contains invalid characters".into());
        }
        Ok(())
    }

    fn check_kind(&self) -> Result<(), String> {
        if let Some(identity) = &self.managed_identity
            && !identity.client_id.is_empty()
            && !is_uuid(&identity.client_id)
        {
            return Err("the provided Azure Managed Identity client_id is invalid".into());
        }
        if let Some(identity) = &self.workload_identity {
            check_client(
                "Workload Identity",
                &identity.client_id,
                &identity.tenant_id,
            )?;
        }
        if let Some(client) = &self.oauth {
            check_client("OAuth", &client.client_id, &client.tenant_id)?;
            if client.client_secret.is_empty() {
                return Err(
                    "must provide an Azure OAuth client_secret in the Azure AD config".into(),
                );
            }
        }
        if let Some(certificate) = &self.certificate {
            check_client(
                "Certificate",
                &certificate.client_id,
                &certificate.tenant_id,
            )?;
            if certificate.certificate_path.is_empty() {
                return Err(
                    "must provide an Azure Certificate certificate_path in the Azure AD config"
                        .into(),
                );
            }
        }
        match &self.sdk {
            Some(sdk) if !is_tenant(&sdk.tenant_id) => {
                Err("the provided Azure SDK tenant_id is invalid".into())
            }
            _ => Ok(()),
        }
    }
}

fn check_client(kind: &str, client_id: &str, tenant_id: &str) -> Result<(), String> {
    for (name, value) in [("client_id", client_id), ("tenant_id", tenant_id)] {
        if value.is_empty() {
            return Err(format!(
                "must provide an Azure {kind} {name} in the Azure AD config"
            ));
        }
    }
    if !is_uuid(client_id) {
        return Err(format!("the provided Azure {kind} client_id is invalid"));
    }
    if !is_tenant(tenant_id) {
        return Err(format!("the provided Azure {kind} tenant_id is invalid"));
    }
    Ok(())
}

fn is_tenant(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || "-.".contains(c))
}

/// Groups of 8, 4, 4, 4 and 12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let sizes = [8, 4, 4, 4, 12];
    groups.len() == sizes.len()
        && groups.iter().zip(sizes).all(|(group, size)| {
            group.len() == size && group.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}
