//! Which place credentials come from, decided before anybody is asked.

use yaml::Secret;

use super::profile::{Profile, Profiles};
use super::{AwsError, AwsOptions, Credentials};
use crate::Variables;

/// Most profiles and roles that lead to one another.
const ROLES_MAX: usize = 8;

/// Where the first credentials come from, and the roles assumed with them one after another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) source: Source,
    pub(super) roles: Vec<Role>,
}

/// A place that has credentials.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// They are here.
    Keys(Credentials),
    /// A token in a file is exchanged for a role.
    WebIdentity { role: Role, token_file: String },
    /// The container's endpoint, as the environment gives it.
    Container,
    /// The metadata service of the machine.
    Instance,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) arn: String,
    /// Empty for one of our making.
    pub(super) session_name: String,
    /// Empty for none.
    pub(super) external_id: String,
}

/// The name of the profile that counts.
pub(super) fn profile_name(options: &AwsOptions, variables: &Variables) -> Option<String> {
    Some(options.profile.clone())
        .filter(|name| !name.is_empty())
        .or_else(|| variables.get("AWS_PROFILE"))
        .or_else(|| variables.get("AWS_DEFAULT_PROFILE"))
}

/// Where the credentials of `options` come from.
pub(super) fn plan(
    options: &AwsOptions,
    variables: &Variables,
    profiles: &Profiles,
) -> Result<Plan, AwsError> {
    let mut plan = first(options, variables, profiles)?;
    if !options.role_arn.is_empty() {
        plan.roles.push(Role {
            arn: options.role_arn.clone(),
            session_name: String::new(),
            external_id: options.external_id.clone(),
        });
    }
    Ok(plan)
}

fn first(
    options: &AwsOptions,
    variables: &Variables,
    profiles: &Profiles,
) -> Result<Plan, AwsError> {
    let alone = |source| Plan {
        source,
        roles: Vec::new(),
    };
    if !options.access_key.is_empty() {
        return Ok(alone(Source::Keys(Credentials {
            access_key_id: options.access_key.clone(),
            secret_access_key: options.secret_key.clone(),
            session_token: None,
            expires: None,
        })));
    }
    if let Some(name) = profile_name(options, variables) {
        return from_profile(&name, variables, profiles);
    }
    if let Some(keys) = keys_of_variables(variables) {
        return Ok(alone(Source::Keys(keys)));
    }
    if let Some(token_file) = variables.get("AWS_WEB_IDENTITY_TOKEN_FILE") {
        let arn = variables.get("AWS_ROLE_ARN").ok_or_else(|| {
            AwsError::NoCredentials(
                "AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not".to_owned(),
            )
        })?;
        let role = Role {
            arn,
            session_name: variables.get("AWS_ROLE_SESSION_NAME").unwrap_or_default(),
            external_id: String::new(),
        };
        return Ok(alone(Source::WebIdentity { role, token_file }));
    }
    if profiles.get("default").is_some() {
        return from_profile("default", variables, profiles);
    }
    Ok(alone(last(variables)))
}

/// The profile's own source, or that of the profiles it leads to.
fn from_profile(name: &str, variables: &Variables, profiles: &Profiles) -> Result<Plan, AwsError> {
    let mut roles = Vec::new();
    let mut name = name;
    while roles.len() <= ROLES_MAX {
        let profile = profiles
            .get(name)
            .ok_or_else(|| AwsError::NoProfile(name.to_owned()))?;
        let role = role_of(profile).filter(|_| profile.get("web_identity_token_file").is_none());
        let assumes = role.is_some();
        roles.extend(role);
        match profile.get("source_profile") {
            // A profile that names itself has its keys beside the role.
            Some(next) if assumes && next != name => name = next,
            _ => {
                let source = own_source(name, profile, variables)?;
                roles.reverse();
                return Ok(Plan { source, roles });
            }
        }
    }
    let reason = "its source profiles do not end";
    Err(AwsError::BadProfile(name.to_owned(), reason))
}

fn own_source(name: &str, profile: &Profile, variables: &Variables) -> Result<Source, AwsError> {
    let bad = |reason| AwsError::BadProfile(name.to_owned(), reason);
    if let Some(keys) = keys_of_profile(profile) {
        return Ok(Source::Keys(keys));
    }
    match profile.get("credential_source") {
        None => {}
        Some("Environment") => {
            return keys_of_variables(variables)
                .map(Source::Keys)
                .ok_or_else(|| bad("the environment has no keys"));
        }
        Some("Ec2InstanceMetadata") => return Ok(Source::Instance),
        Some("EcsContainer") => return Ok(Source::Container),
        Some(_) => return Err(bad("its credential_source is unknown")),
    }
    if let Some(token_file) = profile.get("web_identity_token_file") {
        let role = role_of(profile).ok_or_else(|| bad("it has no role_arn"))?;
        let token_file = token_file.to_owned();
        return Ok(Source::WebIdentity { role, token_file });
    }
    if profile.get("sso_account_id").is_some() || profile.get("sso_session").is_some() {
        return Err(bad("single sign-on is not built"));
    }
    if profile.get("credential_process").is_some() {
        return Err(bad("credential_process is not built"));
    }
    Ok(last(variables))
}

/// What is left when nothing says anything.
fn last(variables: &Variables) -> Source {
    let names = [
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    if names.iter().any(|name| variables.get(name).is_some()) {
        Source::Container
    } else {
        Source::Instance
    }
}

fn role_of(profile: &Profile) -> Option<Role> {
    let text = |name| profile.get(name).unwrap_or("").to_owned();
    profile.get("role_arn").map(|arn| Role {
        arn: arn.to_owned(),
        session_name: text("role_session_name"),
        external_id: text("external_id"),
    })
}

fn keys_of_profile(profile: &Profile) -> Option<Credentials> {
    Some(Credentials {
        access_key_id: profile.get("aws_access_key_id")?.to_owned(),
        secret_access_key: Secret::new(profile.get("aws_secret_access_key")?),
        session_token: profile.get("aws_session_token").map(Secret::new),
        expires: None,
    })
}

fn keys_of_variables(variables: &Variables) -> Option<Credentials> {
    Some(Credentials {
        access_key_id: variables.get("AWS_ACCESS_KEY_ID")?,
        secret_access_key: Secret::new(variables.get("AWS_SECRET_ACCESS_KEY")?),
        session_token: variables.get("AWS_SESSION_TOKEN").map(Secret::new),
        expires: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "[base]\naws_access_key_id = B\naws_secret_access_key = s\n";

    fn plan_of(profile: &str, variables: &Variables, files: &str) -> Result<Plan, AwsError> {
        let options = AwsOptions {
            profile: profile.to_owned(),
            ..AwsOptions::default()
        };
        plan(&options, variables, &Profiles::parse("", files))
    }

    /// The source in short, and the roles' names.
    fn short(plan: &Plan) -> String {
        let source = match &plan.source {
            Source::Keys(keys) => format!("keys {}", keys.access_key_id),
            Source::WebIdentity { role, token_file } => format!("web {} {token_file}", role.arn),
            Source::Container => "container".to_owned(),
            Source::Instance => "instance".to_owned(),
        };
        let roles = plan.roles.iter().map(|role| format!(" {}", role.arn));
        source + &roles.collect::<String>()
    }

    #[test]
    fn places_go_in_the_order_of_the_sdks() {
        let keys = [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let none = Variables::of([]);
        let check = |profile: &str, variables: &Variables, files: &str, expected: &str| {
            let plan = plan_of(profile, variables, files).unwrap();
            assert_eq!(short(&plan), expected);
        };
        check("", &none, "", "instance");
        check("", &none, &KEYS.replace("base", "default"), "keys B");
        check(
            "",
            &Variables::of(keys),
            &KEYS.replace("base", "default"),
            "keys E",
        );
        check("base", &Variables::of(keys), KEYS, "keys B");
        let named = Variables::of([("AWS_PROFILE", "base")]);
        check("", &named, KEYS, "keys B");
        let web = Variables::of([("AWS_WEB_IDENTITY_TOKEN_FILE", "t"), ("AWS_ROLE_ARN", "r")]);
        check("", &web, "", "web r t");
        let container = Variables::of([("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x")]);
        check("", &container, "", "container");
    }

    #[test]
    fn configured_keys_and_roles_come_first_and_last() {
        let options = AwsOptions {
            access_key: "C".to_owned(),
            secret_key: Secret::new("s"),
            role_arn: "r".to_owned(),
            ..AwsOptions::default()
        };
        let plan = plan(&options, &Variables::of([]), &Profiles::default()).unwrap();
        assert_eq!(short(&plan), "keys C r");
    }

    #[test]
    fn profiles_lead_to_others() {
        let none = Variables::of([]);
        let files = format!(
            "{KEYS}[one]\nrole_arn = 1\nsource_profile = base\n\
             [two]\nrole_arn = 2\nsource_profile = one\n\
             [loop]\nrole_arn = l\nsource_profile = back\n[back]\nrole_arn = b\nsource_profile = loop\n\
             [machine]\nrole_arn = m\ncredential_source = Ec2InstanceMetadata\n\
             [self]\nrole_arn = s\nsource_profile = self\naws_access_key_id = S\naws_secret_access_key = s\n\
             [web]\nrole_arn = w\nweb_identity_token_file = t\n[sso]\nsso_session = x\n"
        );
        let plan = |name: &str| plan_of(name, &none, &files).map(|plan| short(&plan));
        assert_eq!(plan("two").unwrap(), "keys B 1 2");
        assert_eq!(plan("machine").unwrap(), "instance m");
        assert_eq!(plan("self").unwrap(), "keys S s");
        assert_eq!(plan("web").unwrap(), "web w t");
        assert!(matches!(plan("loop"), Err(AwsError::BadProfile(..))));
        assert!(matches!(plan("sso"), Err(AwsError::BadProfile(..))));
        let missing = plan("missing").unwrap_err().to_string();
        assert_eq!(missing, "failed to get shared config profile, missing");
    }
}
