// libcurl alone: PUTs the bodies of a file one after the other over one connection.
// usage: put_bodies URL FILE      the file: for each body its length (u32, little-endian), its
// bytes
#include <curl/curl.h>

#include <cstdint>
#include <cstdio>
#include <string>

namespace {

std::size_t ignore(char*, std::size_t size, std::size_t count, void*) { return size * count; }

bool read_length(std::FILE* file, std::uint32_t& length) {
  unsigned char bytes[4];
  if (std::fread(bytes, 1, sizeof bytes, file) != sizeof bytes) {
    return false;
  }
  length = bytes[0] | std::uint32_t{bytes[1]} << 8 | std::uint32_t{bytes[2]} << 16 |
           std::uint32_t{bytes[3]} << 24;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    return 64;
  }
  std::FILE* const file = std::fopen(argv[2], "rbe");
  CURL* const easy = curl_easy_init();
  if (file == nullptr || easy == nullptr) {
    return 74;
  }
  curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/x-protobuf");
  headers = curl_slist_append(headers, "Expect:");
  curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
  std::string body;
  std::uint32_t length = 0;
  int status = 0;
  while (status == 0 && read_length(file, length)) {
    body.resize(length);
    if (std::fread(body.data(), 1, length, file) != length) {
      status = 74;
      break;
    }
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(length));
    status = curl_easy_perform(easy) == CURLE_OK ? 0 : 69;
  }
  curl_slist_free_all(headers);
  curl_easy_cleanup(easy);
  std::fclose(file);
  return status;
}
