#include "client/quantctl/commands/commands.h"

int main(int argc, char** argv) {
  return quantlab::client::RunQuantctl(argc, argv);
}
