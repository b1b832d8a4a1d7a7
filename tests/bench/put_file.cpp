// libcurl alone: one PUT of a file. Its buffer is the size beyond which nothing is gained.
// usage: put_file URL FILE
#include <curl/curl.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>

namespace {

std::size_t read_file(char* buffer, std::size_t size, std::size_t count, void* user) {
  const ssize_t got = read(*static_cast<int*>(user), buffer, size * count);
  return got < 0 ? CURL_READFUNC_ABORT : static_cast<std::size_t>(got);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    return 64;
  }
  int fd = open(argv[2], O_RDONLY | O_CLOEXEC);
  struct stat status {};
  CURL* const easy = curl_easy_init();
  if (fd < 0 || fstat(fd, &status) != 0 || easy == nullptr) {
    return 74;
  }
  curl_slist* const headers = curl_slist_append(nullptr, "Expect:");
  curl_easy_setopt(easy, CURLOPT_URL, argv[1]);
  curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_file);
  curl_easy_setopt(easy, CURLOPT_READDATA, &fd);
  curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(status.st_size));
  const CURLcode code = curl_easy_perform(easy);
  curl_slist_free_all(headers);
  curl_easy_cleanup(easy);
  return code == CURLE_OK ? 0 : 69;
}
