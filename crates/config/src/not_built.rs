//! What a file asks for that this version cannot do yet. The server refuses to start on it, naming
//! each; the tool only checks the file.

use std::path::Path;

use rules::file::RuleGroups;

use crate::{Config, ConfigError, load, path};

impl Config {
    /// Names of the configured sections and options whose function is not built, those of the jobs'
    /// files included.
    pub fn not_built(&self) -> Result<Vec<String>, ConfigError> {
        let tsdb = self.storage.tsdb.as_ref();
        let sections = [
            (!self.alerting.is_empty(), "alerting"),
            (self.has_rules(), "rule_files"),
            (!self.remote_write.is_empty(), "remote_write"),
            (!self.remote_read.is_empty(), "remote_read"),
            (self.tracing.is_set, "tracing"),
            (
                tsdb.is_some_and(|tsdb| tsdb.stale_series_compaction_threshold > 0.0),
                "storage.tsdb.stale_series_compaction_threshold",
            ),
        ];
        let mut names: Vec<String> = sections
            .into_iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| name.to_owned())
            .collect();
        for job in self.all_scrape_configs()? {
            for option in job.not_built() {
                names.push(format!("scrape_configs[{}].{option}", job.job_name));
            }
        }
        Ok(names)
    }

    /// Whether there is a rule file with groups, or one that cannot be read.
    fn has_rules(&self) -> bool {
        let mut files = self.rule_files.iter().flat_map(|files| path::glob(files));
        files.any(|file| {
            let text = load::read(Path::new(&file));
            text.is_err() || text.is_ok_and(|text| RuleGroups::is_wanted(&text))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{LoadOptions, load_text};

    /// What a job with `options` asks for in vain; the tool's check of the file passes.
    #[track_caller]
    fn names_of(options: &str) -> Vec<String> {
        let text = format!("scrape_configs:\n- {{job_name: j, {options}}}\n");
        let config = load_text(&text, &LoadOptions::default());
        let config = config.unwrap_or_else(|err| panic!("{options}: {err}"));
        config.not_built().expect("jobs")
    }

    /// All mechanisms of the reference with the least they ask for.
    const BUILT: &[(&str, &str)] = &[
        ("consul", ""),
        ("dns", "names: [a]"),
        ("docker", "host: 'http://h'"),
        ("dockerswarm", "host: 'http://h', role: nodes"),
        ("ec2", "region: r"),
        ("file", "files: [a.json]"),
        ("http", "url: 'http://h'"),
        ("kubernetes", "role: pod"),
    ];
    const NOT_BUILT: &[(&str, &str)] = &[
        ("aws", "role: ec2, region: r"),
        (
            "azure",
            "subscription_id: s, tenant_id: t, client_id: c, client_secret: x",
        ),
        ("digitalocean", ""),
        ("ecs", "region: r"),
        ("elasticache", "region: r"),
        ("eureka", "server: 'http://h'"),
        ("gce", "project: p, zone: z"),
        ("hetzner", "role: hcloud"),
        ("ionos", "datacenter_id: d"),
        ("kuma", "server: 'http://h'"),
        ("lightsail", "region: r"),
        ("linode", ""),
        ("marathon", "servers: ['http://h']"),
        ("msk", "region: r"),
        ("nerve", "servers: [h], paths: [/p]"),
        ("nomad", ""),
        ("oci", "auth: instance_principal, region: r"),
        ("openstack", "role: instance, region: r"),
        ("outscale", "access_key: a, secret_key: s"),
        (
            "ovhcloud",
            "application_key: a, application_secret: s, consumer_key: c, service: vps",
        ),
        ("puppetdb", "url: 'http://h', query: q"),
        ("rds", "region: r"),
        (
            "scaleway",
            "role: instance, project_id: p, access_key: a, secret_key: s",
        ),
        ("serverset", "servers: [h], paths: [/p]"),
        ("stackit", "project: p"),
        ("triton", "account: a, dns_suffix: d, endpoint: e"),
        ("uyuni", "server: 'http://h', username: u, password: p"),
        ("vultr", ""),
    ];

    #[test]
    fn mechanisms_that_are_not_built_are_named() {
        for (name, options) in BUILT {
            let names = names_of(&format!("{name}_sd_configs: [{{{options}}}]"));
            assert!(names.is_empty(), "{names:?}");
        }
        assert!(names_of("static_configs: [{targets: [a]}]").is_empty());
        for (name, options) in NOT_BUILT {
            let names = names_of(&format!("{name}_sd_configs: [{{{options}}}]"));
            assert_eq!(names, [format!("scrape_configs[j].{name}_sd_configs")]);
        }
        // With the static one, as many as the reference has.
        assert_eq!(BUILT.len() + NOT_BUILT.len() + 1, 37);
    }

    /// Options of HTTP clients that name a secret elsewhere.
    const REFERENCES: &[(&str, &str)] = &[
        ("username_ref", "basic_auth: {username_ref: s}"),
        ("password_ref", "basic_auth: {username: u, password_ref: s}"),
        ("credentials_ref", "authorization: {credentials_ref: s}"),
        (
            "client_secret_ref",
            "oauth2: {client_id: i, client_secret_ref: s, token_url: 'http://t'}",
        ),
        (
            "client_certificate_key_ref",
            "oauth2: {client_id: i, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', \
             client_certificate_key_ref: s, token_url: 'http://t'}",
        ),
        ("ca_ref", "tls_config: {ca_ref: s}"),
        ("cert_ref", "tls_config: {cert_ref: s, key: k}"),
        ("key_ref", "tls_config: {cert: c, key_ref: s}"),
        (
            "ca_ref",
            "oauth2: {client_id: i, client_secret: s, token_url: 'http://t', tls_config: {ca_ref: s}}",
        ),
    ];

    #[test]
    fn names_in_a_secret_manager_are_refused_wherever_a_client_is_configured() {
        for (name, option) in REFERENCES {
            assert_eq!(names_of(option), [format!("scrape_configs[j].{name}")]);
            for (mechanism, options) in BUILT {
                // The others have no client.
                let options = match *mechanism {
                    "dns" | "file" => continue,
                    "kubernetes" => "role: pod, api_server: 'http://h'",
                    _ => options,
                };
                let separator = if options.is_empty() { "" } else { ", " };
                let job = format!("{mechanism}_sd_configs: [{{{options}{separator}{option}}}]");
                let expected = format!("scrape_configs[j].{mechanism}_sd_configs[0].{name}");
                assert_eq!(names_of(&job), [expected], "{job}");
            }
        }
    }
}
