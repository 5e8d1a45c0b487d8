// Package secureboot signs what UEFI firmware starts, and makes the keys and the
// variable updates that have firmware refuse everything else (UEFI specification
// 2.10, chapter 32 "Secure Boot and Driver Signing").
//
// It promises:
//
//   - a signed image is the image with an Authenticode signature behind it (Microsoft,
//     "Windows Authenticode Portable Executable Signature Format" 1.0): the section
//     table, the sections and their alignment stay as they were, the PE checksum is
//     right again;
//   - the same image, key and certificate give the same bytes: RSA PKCS #1 v1.5 over
//     SHA-256, and no signing time;
//   - what signs an image, and whether the signature still holds, is read from the image
//     itself, whoever signed it; hostile ones are refused, not crashed on;
//   - a key and a certificate that firmware could not use, or that do not belong
//     together, are refused with the file, the cause and the remedy;
//   - key files of a new set are readable by their owner alone, and no file is ever
//     overwritten.
//
// Private keys never leave the process but into the files of a new set. One in a PKCS #11
// token stays there: OpenSSL, a program beside this one, asks the token to sign.
package secureboot
