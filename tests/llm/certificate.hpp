// A self-signed certificate for 127.0.0.1 that is valid from and to as many days from now as a test
// says.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

namespace mtmc::llm {

class Certificate {
 public:
  Certificate(int first_day, int last_day, const char* name) {
    key_ = EVP_RSA_gen(2048);
    REQUIRE(key_);
    x509_ = X509_new();
    X509_set_version(x509_, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509_), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509_), 86400L * first_day);
    X509_gmtime_adj(X509_getm_notAfter(x509_), 86400L * last_day);
    X509_set_pubkey(x509_, key_);
    X509_NAME* subject = X509_get_subject_name(x509_);
    const auto* text = reinterpret_cast<const unsigned char*>("fault server");
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0);
    X509_set_issuer_name(x509_, subject);
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, x509_, x509_, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, name);
    REQUIRE(extension);
    X509_add_ext(x509_, extension, -1);
    X509_EXTENSION_free(extension);
    REQUIRE(X509_sign(x509_, key_, EVP_sha256()) > 0);
    path_ =
        (std::filesystem::temp_directory_path() / ("mtmc_certificate_" + std::to_string(getpid())))
            .string();
    std::FILE* file = std::fopen(path_.c_str(), "w");
    REQUIRE(file);
    PEM_write_X509(file, x509_);
    std::fclose(file);
  }
  ~Certificate() {
    X509_free(x509_);
    EVP_PKEY_free(key_);
    std::filesystem::remove(path_);
  }
  Certificate(const Certificate&) = delete;
  X509* x509() const { return x509_; }
  EVP_PKEY* key() const { return key_; }
  const std::string& pem_file() const { return path_; }

 private:
  X509* x509_ = nullptr;
  EVP_PKEY* key_ = nullptr;
  std::string path_;
};

}  // namespace mtmc::llm
