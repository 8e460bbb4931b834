//! The tracing section.

use std::collections::BTreeMap;

use http_client::config::TlsConfig;
use model::config_value::Duration;

yaml::record! {
    /// Where our own traces go.
    #[derive(Debug, Clone, PartialEq)]
    pub struct TracingConfig: "config.TracingConfig", checked "config.plain" {
        /// `grpc` or `http`; empty without a section.
        pub client_type: String => omit "client_type";
        /// Receiver.
        pub endpoint: String => omit "endpoint";
        /// Share of traces that are recorded.
        pub sampling_fraction: f64 => omit "sampling_fraction";
        /// Whether TLS is left out.
        pub insecure: bool => omit "insecure";
        /// TLS options.
        pub tls_config: TlsConfig => omit "tls_config";
        /// Extra headers.
        pub headers: BTreeMap<String, String> => omit "headers";
        /// `gzip` or nothing.
        pub compression: String => omit "compression";
        /// Longest time an export may take.
        pub timeout: Duration => omit "timeout";
        /// Whether the section is there.
        pub is_set: bool => skip;
    }
}

impl TracingConfig {
    /// Runs only for a section that is there.
    fn check(&mut self) -> Result<(), String> {
        self.is_set = true;
        match self.client_type.as_str() {
            "" => "grpc".clone_into(&mut self.client_type),
            "grpc" | "http" => {}
            other => {
                return Err(format!(
                    "expected tracing client type to be to be grpc or http, but got {other}"
                ));
            }
        }
        if self
            .headers
            .keys()
            .any(|name| name.eq_ignore_ascii_case("authorization"))
        {
            return Err("authorization header configuration is not yet supported".into());
        }
        remote::config::check_headers(&self.headers)?;
        if self.endpoint.is_empty() {
            return Err("tracing endpoint must be set".into());
        }
        match self.compression.as_str() {
            "" | "gzip" => Ok(()),
            other => Err(format!(
                "invalid compression type {other} provided, valid options: gzip"
            )),
        }
    }
}
