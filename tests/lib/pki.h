/*
 * pki.h - throwaway certification authorities and leaves for tests of TLS.  Failures fail the test.
 * Everything is P-256; names are keys into the set, at most PKI_MAX of them.
 */
#pragma once
#include "proto/bytes.h"

#include <openssl/ssl.h>

enum pki_use { PKI_SERVER = 1, PKI_CLIENT };
struct pki;

struct pki *pki_new(void);
void pki_free(struct pki *p);
void pki_ca(struct pki *p, const char *name);
/* A leaf of 'ca' with this URI as subject alternative name, valid for a day around now. */
void pki_leaf(struct pki *p, const char *name, const char *ca, const char *uri, enum pki_use use);
struct bytes pki_ca_pem(struct pki *p, const char *name);
struct bytes pki_cert_pem(struct pki *p, const char *name);
struct bytes pki_key_pem(struct pki *p, const char *name);
/* A client's SSL, not connected: shows 'leaf', believes 'ca', TLS 1.3, ALPN relto/1. */
SSL *pki_client(struct pki *p, const char *leaf, const char *ca);
