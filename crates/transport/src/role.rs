//! Roles, and how a certificate names one.
//!
//! Keeps true: a certificate names one role or none; what it names survives its text.

use std::fmt;
use std::str::FromStr;

/// What a process is in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Answers clients, runs the trunk.
    Gateway,
    /// Holds experts.
    ExpertNode,
    /// Keeps the cluster's truth.
    Coordinator,
    /// A person or program that looks after the cluster.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 4] = [Self::Gateway, Self::ExpertNode, Self::Coordinator, Self::Operator];

    /// As in certificates and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::ExpertNode => "expert-node",
            Self::Coordinator => "coordinator",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("`{text}` is no role; it can be {names}")
        })
    }
}

/// Who a certificate belongs to: `spiffe://conclave/ROLE/NAME` among its subject alternative names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it is.
    pub role: Role,
    /// Which one of its kind.
    pub name: String,
}

const PREFIX: &str = "spiffe://conclave/";

impl Identity {
    /// `role` of this name.
    ///
    /// - Errors: the name is empty, too long, or has characters that a path of a URI does not take as they are.
    pub fn new(role: Role, name: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if (1..=63).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with('.') {
            return Ok(Self { role, name: name.to_owned() });
        }
        Err(format!(
            "the name is `{name}`; it can have 1 to 63 of the characters A-Z a-z 0-9 - . _, not a dot first"
        ))
    }

    /// The URI that names it.
    pub fn uri(&self) -> String {
        format!("{PREFIX}{}/{}", self.role, self.name)
    }

    /// What `uri` names, if it is of this kind.
    pub fn of_uri(uri: &str) -> Option<Self> {
        let (role, name) = uri.strip_prefix(PREFIX)?.split_once('/')?;
        Self::new(role.parse().ok()?, name).ok()
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.role, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_role_and_who_has_it() {
        let node = Identity::new(Role::ExpertNode, "node-1").unwrap();
        assert_eq!(node.uri(), "spiffe://conclave/expert-node/node-1");
        for role in Role::ALL {
            let identity = Identity::new(role, "a.b_c-9").unwrap();
            assert_eq!(Identity::of_uri(&identity.uri()), Some(identity));
        }
    }

    #[test]
    fn what_names_no_role_names_nobody() {
        for uri in [
            "spiffe://conclave/expert-node/",
            "spiffe://conclave/expert-node",
            "spiffe://conclave/king/a",
            "spiffe://other/gateway/a",
            "spiffe://conclave/gateway/a/b",
            "https://conclave/gateway/a",
            "",
        ] {
            assert_eq!(Identity::of_uri(uri), None, "{uri}");
        }
        assert!(
            Identity::new(Role::Gateway, "../a").is_err() && Identity::new(Role::Gateway, "a b").is_err()
        );
    }
}
