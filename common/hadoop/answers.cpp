#include "common/hadoop/answers.h"

#include <strings.h>

#include <cctype>
#include <utility>

#include "common/json/json.h"

namespace fl {
namespace {

std::optional<std::uint64_t> natural(const Json* value) {
  if (value == nullptr || value->type != Json::Type::number || value->integer < 0 ||
      value->number != static_cast<double>(value->integer)) {
    return std::nullopt;
  }
  return static_cast<std::uint64_t>(value->integer);
}

std::optional<WebHdfs::FileStatus> file_status(Json& object) {
  Json* name = object.find("pathSuffix");
  const Json* type = object.find("type");
  const auto length = natural(object.find("length"));
  const auto modified = natural(object.find("modificationTime"));
  if (!length || !modified || name == nullptr || name->type != Json::Type::string ||
      type == nullptr || type->type != Json::Type::string) {
    return std::nullopt;
  }
  WebHdfs::FileStatus status;
  status.is_directory = type->is_string("DIRECTORY");
  status.length = *length;
  status.modified_ms = static_cast<std::int64_t>(*modified);
  status.name = std::move(name->string);
  status.file_id = natural(object.find("fileId")).value_or(0);
  return status;
}

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

HdfsStatus check_hdfs_path(const std::string& action, const std::string& path) {
  const auto refuse = [&](const char* why) {
    HdfsError error = hdfs_error(HdfsTrouble::invalid, action + ": " + why);
    error.kind = ErrorClass::input;
    return error;
  };
  if (!path.starts_with('/')) {
    return refuse("the path is not absolute");
  }
  std::string_view rest(path);
  if (rest.find('\0') != std::string_view::npos) {
    return refuse("HDFS allows no NUL in a name");
  }
  if (rest.find(':') != std::string_view::npos) {
    return refuse("HDFS allows no ':' in a name");
  }
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part == "." || part == "..") {
      return refuse("HDFS allows no '.' or '..' as a name");
    }
    if (part.empty() && !rest.empty()) {
      return refuse("HDFS allows no empty name ('//')");
    }
    rest.remove_prefix(part.size());
  }
  return {};
}

std::optional<bool> parse_boolean(const std::string& body) {
  const Result<Json> root = parse_json(body);
  const Json* value = root ? root->find("boolean") : nullptr;
  if (value == nullptr || value->type != Json::Type::boolean) {
    return std::nullopt;
  }
  return value->boolean;
}

std::optional<std::string> parse_member(const std::string& body, std::string_view key) {
  Result<Json> root = parse_json(body);
  Json* value = root ? root->find(key) : nullptr;
  if (value == nullptr || value->type != Json::Type::string) {
    return std::nullopt;
  }
  return std::move(value->string);
}

std::optional<std::string> parse_token(const std::string& body) {
  Result<Json> root = parse_json(body);
  Json* token = root ? root->find("Token") : nullptr;
  Json* text = token == nullptr ? nullptr : token->find("urlString");
  if (text == nullptr || text->string.empty()) {
    return std::nullopt;
  }
  return std::move(text->string);
}

std::optional<std::int64_t> parse_long(const std::string& body) {
  const Result<Json> root = parse_json(body);
  const auto value = natural(root ? root->find("long") : nullptr);
  return value ? std::optional(static_cast<std::int64_t>(*value)) : std::nullopt;
}

std::optional<WebHdfs::FileStatus> parse_file_status(const std::string& body) {
  Result<Json> root = parse_json(body);
  Json* status = root ? root->find("FileStatus") : nullptr;
  return status == nullptr ? std::nullopt : file_status(*status);
}

std::optional<ListPage> parse_list_page(const std::string& body) {
  ListPage page;
  const auto take = [&](Json item) {
    std::optional<WebHdfs::FileStatus> status = file_status(item);
    // The caller joins names to paths and deletes some: none may lead elsewhere.
    if (!status || status->name.find('/') != std::string::npos || status->name == "." ||
        status->name == "..") {
      return false;
    }
    page.entries.push_back(std::move(*status));
    return true;
  };
  const Result<Json> root = parse_json(body, kMaxListing, "FileStatus", take);
  if (!root) {
    return std::nullopt;
  }
  const Json* statuses = &*root;
  if (const Json* listing = root->find("DirectoryListing"); listing != nullptr) {
    const auto remaining = natural(listing->find("remainingEntries"));
    statuses = listing->find("partialListing");
    if (!remaining || statuses == nullptr) {
      return std::nullopt;
    }
    page.remaining = *remaining;
  }
  statuses = statuses->find("FileStatuses");
  const Json* list = statuses == nullptr ? nullptr : statuses->find("FileStatus");
  if (list == nullptr || list->type != Json::Type::array) {
    return std::nullopt;
  }
  return page;
}

std::optional<RedirectTarget> parse_redirect(std::string_view location) {
  RedirectTarget target;
  for (const char c : location) {
    if (static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7F) {
      return std::nullopt;
    }
  }
  std::string_view rest = location;
  target.https = rest.size() > 8 && same_text(rest.substr(0, 8), "https://");
  if (!target.https && !(rest.size() > 7 && same_text(rest.substr(0, 7), "http://"))) {
    return std::nullopt;
  }
  rest.remove_prefix(target.https ? 8 : 7);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  std::size_t colon = authority.rfind(':');
  if (authority.ends_with(']')) {
    colon = std::string_view::npos;
  }
  target.host = authority.substr(0, colon);
  target.port = colon == std::string_view::npos ? (target.https ? "443" : "80")
                                                : std::string(authority.substr(colon + 1));
  const bool brackets = target.host.starts_with('[') && target.host.ends_with(']');
  const std::string_view inside =
      brackets ? std::string_view(target.host).substr(1, target.host.size() - 2) : target.host;
  if (inside.empty() || inside.size() > 255 || target.port.empty() || target.port.size() > 5 ||
      target.port.find_first_not_of("0123456789") != std::string::npos ||
      std::stoi(target.port) == 0 || std::stoi(target.port) > 65535) {
    return std::nullopt;
  }
  for (const char c : inside) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-' && c != '_' &&
        !(brackets && c == ':')) {
      return std::nullopt;
    }
  }
  target.origin = (target.https ? "https://" : "http://") + target.host + ":" + target.port;
  return target;
}

bool same_origin(const RedirectTarget& a, const RedirectTarget& b) {
  return a.https == b.https && same_text(a.host, b.host) && std::stoi(a.port) == std::stoi(b.port);
}

std::optional<std::string> parse_transfer_address(const std::string& body, std::string_view host,
                                                  std::string_view ip, std::string_view port) {
  const Result<Json> root = parse_json(body, kMaxNameNodeInfo);
  const Json* beans = root ? root->find("beans") : nullptr;
  if (beans == nullptr || beans->items.empty()) {
    return std::nullopt;
  }
  const Json* text = beans->items.front().find("LiveNodes");
  if (text == nullptr || text->type != Json::Type::string) {
    return std::nullopt;
  }
  const Result<Json> nodes = parse_json(text->string, kMaxNameNodeInfo);
  if (!nodes) {
    return std::nullopt;
  }
  for (const JsonMember& node : nodes->members) {
    const Json* transfer = node.value.find("xferaddr");
    if (transfer == nullptr || transfer->type != Json::Type::string) {
      continue;
    }
    const std::string_view name = std::string_view(node.name).substr(0, node.name.rfind(':'));
    for (const char* key : {"infoAddr", "infoSecureAddr"}) {
      const Json* address = node.value.find(key);
      if (address == nullptr || address->type != Json::Type::string) {
        continue;
      }
      const std::string_view web(address->string);
      const std::size_t colon = web.rfind(':');
      if (colon == std::string_view::npos || web.substr(colon + 1) != port) {
        continue;
      }
      const std::string_view web_host = web.substr(0, colon);
      if (same_text(name, host) || same_text(web_host, host) || (!ip.empty() && web_host == ip)) {
        return transfer->string;
      }
    }
  }
  return std::nullopt;
}

}  // namespace fl
