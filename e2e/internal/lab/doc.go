// Package lab starts the programs of the lab as processes, and reads what they print and leave behind. It is what all
// packages of e2e share, and it imports nothing of the lab.
//
// Several packages are tested at the same time, and so may be several checkouts. So every port is handed out once for all
// packages (FreePorts), the programs are built by one package at a time (Main), and tests whose outcome depends on a quiet
// machine take turns (Quiet).
package lab
