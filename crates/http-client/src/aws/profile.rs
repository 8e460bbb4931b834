//! The files that AWS's tools share: `credentials` and `config`.
//!
//! ```text
//! [profile name]      in `config`; `[name]` in `credentials`; `[default]` in both
//! key = value
//!   nested = value    belongs to the key above: not read
//! # comment, ; comment
//! ```
//!
//! Source of the format: "Shared config and credentials files" in the AWS SDKs and Tools guide.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::AwsError;
use crate::Variables;
use crate::auth::read_file;

/// Settings of one profile by their names in lower case.
#[derive(Clone, PartialEq, Eq, Default)]
pub(super) struct Profile(BTreeMap<String, String>);

// Values may be secret.
impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Profile")
    }
}

impl Profile {
    /// A setting; an empty one counts as none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

/// The profiles of both files; what `credentials` says goes before what `config` says.
#[derive(Debug, Default)]
pub(super) struct Profiles(BTreeMap<String, Profile>);

impl Profiles {
    /// Reads both files (blocking); one that is missing has no profiles.
    pub(super) fn load(variables: &Variables) -> Result<Self, AwsError> {
        let config = text(variables, "AWS_CONFIG_FILE", "config")?;
        let credentials = text(variables, "AWS_SHARED_CREDENTIALS_FILE", "credentials")?;
        Ok(Self::parse(&config, &credentials))
    }

    /// From the texts of both files. Lines that make no sense are passed over, as the SDKs do.
    pub(super) fn parse(config: &str, credentials: &str) -> Self {
        let mut profiles = Self::default();
        profiles.add(config, |section| match section.split_once([' ', '\t']) {
            Some(("profile", name)) => Some(name.trim()),
            None if section == "default" => Some(section),
            _ => None,
        });
        profiles.add(credentials, Some);
        profiles
    }

    pub(super) fn get(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    /// Adds the sections of `text` that `name_of` takes for profiles.
    fn add<'a>(&mut self, text: &'a str, name_of: impl Fn(&'a str) -> Option<&'a str>) {
        let mut current: Option<&str> = None;
        for line in text.lines() {
            let nested = line.starts_with([' ', '\t']);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(section) = line.strip_prefix('[') {
                let section = section.split(']').next().unwrap_or("").trim();
                current = name_of(section).filter(|name| !name.is_empty());
                if let Some(name) = current {
                    self.0.entry(name.to_owned()).or_default();
                }
            } else if let (Some(name), Some((key, value)), false) =
                (current, line.split_once('='), nested)
            {
                let settings = &mut self.0.entry(name.to_owned()).or_default().0;
                let value = without_comment(value).trim().to_owned();
                settings.insert(key.trim().to_ascii_lowercase(), value);
            }
        }
    }
}

/// The value without a comment at its end, which a blank must precede.
fn without_comment(value: &str) -> &str {
    let starts = [" #", " ;", "\t#", "\t;"];
    let end = starts.iter().filter_map(|start| value.find(start)).min();
    &value[..end.unwrap_or(value.len())]
}

fn text(variables: &Variables, variable: &str, name: &str) -> Result<String, AwsError> {
    let path = match variables.get(variable) {
        Some(path) => PathBuf::from(path),
        None => match variables.get("HOME") {
            Some(home) => PathBuf::from(home).join(".aws").join(name),
            None => return Ok(String::new()),
        },
    };
    match read_file(&path) {
        Ok(text) => Ok(text),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(err) => Err(AwsError::File(err.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_files_make_a_profile() {
        let config = "[default]\nregion = eu-west-1 # home\n[profile ops]\nRole_Arn=arn:x\n\
                      s3 =\n  region = nested\n[services x]\nregion = no\n[ops]\nregion = no\n";
        let credentials = "; keys\n[default]\naws_access_key_id = A\nregion=other\n[ ops ]\n\
                           aws_access_key_id=B#C\n";
        let profiles = Profiles::parse(config, credentials);
        let get = |profile: &str, name: &str| {
            let profile = profiles.get(profile)?;
            profile.get(name).map(str::to_owned)
        };
        assert_eq!(get("default", "region").as_deref(), Some("other"));
        assert_eq!(get("default", "aws_access_key_id").as_deref(), Some("A"));
        assert_eq!(get("ops", "role_arn").as_deref(), Some("arn:x"));
        assert_eq!(get("ops", "aws_access_key_id").as_deref(), Some("B#C"));
        assert_eq!(get("ops", "region"), None);
        assert_eq!(get("ops", "s3"), None);
        assert!(profiles.get("services x").is_none());
    }

    proptest! {
        /// Any text is read without a panic, and what a file's author wrote plainly is found.
        #[test]
        fn any_text_is_read(before in "[\\PC\n\\[\\]=]{0,200}", value in "[a-zA-Z0-9/+=]{1,40}") {
            let text = format!("{before}\n[p]\nkey = {value}\n");
            let profiles = Profiles::parse(&before, &text);
            let found = profiles.get("p").and_then(|profile| profile.get("key"));
            prop_assert_eq!(found, Some(value.as_str()));
        }
    }
}
