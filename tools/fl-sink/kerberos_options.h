// The options of Kerberos that sinks share: whether to use it, and as whom.
#pragma once

#include <string>

namespace fl {

// `add(name, member of Options, metavar, help)` adds one to the sink's table, as OptionTable::add
// does. `rule`: what auto and simple mean there.
template <typename Options, typename Add>
void add_kerberos_options(const Add& add, const std::string& rule) {
  add("auth", &Options::auth, "HOW", rule).choices({"auto", "simple", "kerberos"});
  add("kerberosPrincipal", &Options::kerberos_principal, "NAME",
      "The principal to log in as from the keytab; _HOST becomes this host's name. Default: "
      "the keytab's first entry.");
  add("kerberosKeytab", &Options::kerberos_keytab, "FILE",
      "Log in from this keytab instead of the ticket cache that kinit fills.")
      .path();
}

}  // namespace fl
