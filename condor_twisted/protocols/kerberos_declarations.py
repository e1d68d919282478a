"""What of MIT Kerberos' library is called, as its header declares it.

Source: ``krb5.h`` of MIT Kerberos 1.12 and later, whose binary interface is that of
``libkrb5.so.3``.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ADDRESS_FAMILIES", "DECLARATIONS", "LIBRARIES"]

#: The library by ``sys.platform``. macOS' own Kerberos has another interface.
LIBRARIES: Final = {
    "linux": ("libkrb5.so.3",),
    "darwin": (
        "/opt/homebrew/opt/krb5/lib/libkrb5.3.dylib",
        "/usr/local/opt/krb5/lib/libkrb5.3.dylib",
    ),
    "win32": ("krb5_64.dll",),
}

#: ``ADDRTYPE_INET`` and ``ADDRTYPE_INET6`` by the length of an address in bytes.
ADDRESS_FAMILIES: Final = {4: 0x0002, 16: 0x0018}

DECLARATIONS: Final = """
typedef int32_t krb5_error_code;
typedef int32_t krb5_int32;
typedef struct _krb5_context *krb5_context;
typedef struct _krb5_auth_context *krb5_auth_context;
typedef struct _krb5_ccache *krb5_ccache;
typedef struct _krb5_kt *krb5_keytab;
typedef void *krb5_kt_cursor;
typedef struct krb5_principal_data *krb5_principal;
typedef struct {
    krb5_int32 magic; unsigned int length; char *data;
} krb5_data;
typedef struct {
    krb5_int32 magic; krb5_int32 enctype; unsigned int length; unsigned char *contents;
} krb5_keyblock;
typedef struct {
    krb5_int32 magic; krb5_int32 addrtype; unsigned int length; unsigned char *contents;
} krb5_address;
typedef struct {
    krb5_int32 authtime; krb5_int32 starttime; krb5_int32 endtime;
    krb5_int32 renew_till;
} krb5_ticket_times;
typedef struct {
    krb5_int32 magic; krb5_principal client; krb5_principal server;
    krb5_keyblock keyblock; krb5_ticket_times times; unsigned int is_skey;
    krb5_int32 ticket_flags; krb5_address **addresses; krb5_data ticket;
    krb5_data second_ticket; void **authdata;
} krb5_creds;
typedef struct {
    krb5_int32 magic; unsigned char tr_type; krb5_data tr_contents;
} krb5_transited;
typedef struct {
    krb5_int32 magic; krb5_int32 flags; krb5_keyblock *session; krb5_principal client;
    krb5_transited transited; krb5_ticket_times times; krb5_address **caddrs;
    void **authorization_data;
} krb5_enc_tkt_part;
typedef struct {
    krb5_int32 magic; krb5_int32 enctype; unsigned int kvno; krb5_data ciphertext;
} krb5_enc_data;
typedef struct {
    krb5_int32 magic; krb5_principal server; krb5_enc_data enc_part;
    krb5_enc_tkt_part *enc_part2;
} krb5_ticket;
typedef struct {
    krb5_int32 magic; krb5_principal principal; krb5_int32 timestamp;
    unsigned int vno; krb5_keyblock key;
} krb5_keytab_entry;

krb5_error_code krb5_init_context(krb5_context *);
void krb5_free_context(krb5_context);
const char *krb5_get_error_message(krb5_context, krb5_error_code);
void krb5_free_error_message(krb5_context, const char *);

krb5_error_code krb5_parse_name(krb5_context, const char *, krb5_principal *);
krb5_error_code krb5_sname_to_principal(krb5_context, const char *, const char *,
    krb5_int32, krb5_principal *);
krb5_error_code krb5_unparse_name(krb5_context, krb5_principal, char **);
void krb5_free_unparsed_name(krb5_context, char *);
void krb5_free_principal(krb5_context, krb5_principal);

krb5_error_code krb5_cc_default(krb5_context, krb5_ccache *);
krb5_error_code krb5_cc_resolve(krb5_context, const char *, krb5_ccache *);
krb5_error_code krb5_cc_get_principal(krb5_context, krb5_ccache, krb5_principal *);
krb5_error_code krb5_cc_close(krb5_context, krb5_ccache);

krb5_error_code krb5_kt_default(krb5_context, krb5_keytab *);
krb5_error_code krb5_kt_resolve(krb5_context, const char *, krb5_keytab *);
krb5_error_code krb5_kt_have_content(krb5_context, krb5_keytab);
krb5_error_code krb5_kt_start_seq_get(krb5_context, krb5_keytab, krb5_kt_cursor *);
krb5_error_code krb5_kt_next_entry(krb5_context, krb5_keytab, krb5_keytab_entry *,
    krb5_kt_cursor *);
krb5_error_code krb5_kt_end_seq_get(krb5_context, krb5_keytab, krb5_kt_cursor *);
krb5_error_code krb5_free_keytab_entry_contents(krb5_context, krb5_keytab_entry *);
krb5_error_code krb5_kt_close(krb5_context, krb5_keytab);

krb5_error_code krb5_get_credentials(krb5_context, krb5_int32, krb5_ccache,
    krb5_creds *, krb5_creds **);
krb5_error_code krb5_get_init_creds_keytab(krb5_context, krb5_creds *, krb5_principal,
    krb5_keytab, krb5_int32, const char *, void *);
void krb5_free_creds(krb5_context, krb5_creds *);
void krb5_free_cred_contents(krb5_context, krb5_creds *);

krb5_error_code krb5_auth_con_init(krb5_context, krb5_auth_context *);
krb5_error_code krb5_auth_con_setflags(krb5_context, krb5_auth_context, krb5_int32);
krb5_error_code krb5_auth_con_setaddrs(krb5_context, krb5_auth_context,
    krb5_address *, krb5_address *);
krb5_error_code krb5_auth_con_free(krb5_context, krb5_auth_context);

krb5_error_code krb5_mk_req_extended(krb5_context, krb5_auth_context *, krb5_int32,
    krb5_data *, krb5_creds *, krb5_data *);
krb5_error_code krb5_rd_req(krb5_context, krb5_auth_context *, const krb5_data *,
    krb5_principal, krb5_keytab, krb5_int32 *, krb5_ticket **);
krb5_error_code krb5_mk_rep(krb5_context, krb5_auth_context, krb5_data *);
krb5_error_code krb5_rd_rep(krb5_context, krb5_auth_context, const krb5_data *,
    void **);
void krb5_free_ap_rep_enc_part(krb5_context, void *);
void krb5_free_ticket(krb5_context, krb5_ticket *);
void krb5_free_data_contents(krb5_context, krb5_data *);
"""
