//! The words of the domain as types: what may be written where a name, an address or a state is expected,
//! how it is normalised, and what a business "no" is. Pure: no I/O, no clock, no randomness.
#![forbid(unsafe_code)]

mod boot_context;
mod boot_file_name;
mod group_label;
mod hms_type;
mod hostname;
mod hostname_pattern;
mod image_name;
mod invalid_value;
mod ip_net;
mod ipv4_net;
mod ipv6_net;
mod mac_addr;
mod nearest;
mod nid;
mod node_expression;
mod node_names;
mod node_set;
mod node_state;
mod node_urls;
mod partition_name;
mod rejection;
mod revision;
mod role;
mod script_words;
mod sha256;
mod text_serde;
mod xname;

pub use boot_context::BootContext;
pub use boot_file_name::{BOOT_FILE_NAME_BYTES_MAX, BootFileName};
pub use group_label::{GROUP_LABEL_LENGTH_MAX, GroupLabel};
pub use hms_type::HmsType;
pub use hostname::{HostnameStyle, hostname};
pub use hostname_pattern::{HOSTNAME_PATTERN_BYTES_MAX, HostnamePattern, Named};
pub use image_name::{IMAGE_NAME_BYTES_MAX, ImageName};
pub use invalid_value::InvalidValue;
pub use ip_net::IpNet;
pub use ipv4_net::Ipv4Net;
pub use ipv6_net::Ipv6Net;
pub use mac_addr::MacAddr;
pub use nearest::{did_you_mean, nearest, slips};
pub use nid::Nid;
pub use node_expression::{
    ExpressionWork, NODE_EXPRESSION_BYTES_MAX, NODE_NAMES_BYTES_MAX, NODE_NAMES_MAX, NodeExpression,
    NodeExpressionError,
};
pub use node_names::{NodeNames, fold_names};
pub use node_set::{NODE_SET_LENGTH_MAX, NodeSet};
pub use node_state::NodeState;
pub use node_urls::{NodeNetwork, NodeUrls};
pub use partition_name::PartitionName;
pub use rejection::Rejection;
pub use revision::Revision;
pub use role::{ROLES, SUB_ROLES, canonical_role, canonical_sub_role};
pub use script_words::{script_url_problem, script_words_problem};
pub use sha256::Sha256;
pub use xname::{XNAME_LENGTH_MAX, Xname};
