//! Options of AWS request signing.

use yaml::Secret;

yaml::record! {
    /// AWS request signing.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct SigV4Config: "sigv4.SigV4Config", checked "sigv4.plain" {
        /// Region; from the environment if empty.
        pub region: String => omit "region";
        /// Access key id.
        pub access_key: String => omit "access_key";
        /// Access key.
        pub secret_key: Secret => omit "secret_key";
        /// Named profile of the shared AWS files.
        pub profile: String => omit "profile";
        /// Role to assume.
        pub role_arn: String => omit "role_arn";
        /// External id for that role.
        pub external_id: String => omit "external_id";
        /// Whether the FIPS endpoint gives the tokens.
        pub use_fips_sts_endpoint: bool => omit "use_fips_sts_endpoint";
        /// Service name in the signature; `aps` if empty.
        pub service_name: String => omit "service_name";
    }
}

impl SigV4Config {
    fn check(&mut self) -> Result<(), String> {
        if self.access_key.is_empty() != self.secret_key.is_empty() {
            return Err("must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config".into());
        }
        if !self.external_id.is_empty() && self.role_arn.is_empty() {
            return Err("external_id can only be used with role_arn".into());
        }
        Ok(())
    }
}
