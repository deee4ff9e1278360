# `cmake --install BUILD --prefix PREFIX`: programs, catalogue, documents and LibTorch. The tree can be moved, because
# programs find each other, LibTorch and the catalogue by paths relative to their own:
#
#   bin/                    the programs
#   lib/quantlab/torch/     LibTorch's shared libraries
#   share/quantlab/         the catalogue and the experiment files of configs/
#
# Components: client, coordinator, worker, common. What belongs to a Debian system (units, /etc) is in Packages.cmake.
get_property(_torch GLOBAL PROPERTY QUANTLAB_TORCH_FOLDER)
get_property(_torch_is_cuda GLOBAL PROPERTY QUANTLAB_TORCH_IS_CUDA)
set(_carried_torch ON)
if(_torch_is_cuda)
  # CUDA's libraries have several GB. lib/quantlab/torch is then a link to the torch/lib of an installed wheel.
  set(_carried_torch OFF)
endif()
option(QUANTLAB_INSTALL_TORCH "Install LibTorch's shared libraries with quant-runner" ${_carried_torch})

foreach(_program_of_component "client;quantctl" "coordinator;quant-coordinator" "worker;quant-worker" "worker;quant-runner"
    "worker;quant-export")
  list(GET _program_of_component 0 _component)
  list(GET _program_of_component 1 _program)
  if(TARGET ${_program})
    install(TARGETS ${_program} RUNTIME DESTINATION bin COMPONENT ${_component})
  endif()
endforeach()

file(GLOB _configs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/configs/*.yaml)
list(REMOVE_ITEM _configs ${CMAKE_SOURCE_DIR}/configs/catalog.yaml)
install(FILES ${CMAKE_SOURCE_DIR}/configs/catalog.yaml DESTINATION share/quantlab COMPONENT common)
install(FILES ${_configs} DESTINATION share/quantlab/configs COMPONENT common)
install(FILES ${CMAKE_SOURCE_DIR}/CHANGELOG.md ${CMAKE_SOURCE_DIR}/LICENSE
  DESTINATION share/doc/quantlab-common COMPONENT common)

if(QUANTLAB_WITH_SERVICE)
  install(PROGRAMS ${CMAKE_SOURCE_DIR}/deploy/autoscaler/quantlab_autoscaler.py DESTINATION bin RENAME quantlab-autoscaler
    COMPONENT client)
  install(PROGRAMS ${CMAKE_SOURCE_DIR}/deploy/slurm/worker.sbatch DESTINATION share/quantlab/slurm COMPONENT client)
endif()

if(TARGET quant-runner AND QUANTLAB_INSTALL_TORCH)
  get_target_property(_torch_items quantlab_torch INTERFACE_LINK_LIBRARIES)
  list(FILTER _torch_items INCLUDE REGEX "^/.*\\.so(\\.[0-9]+)*$")
  set(_torch_files)
  foreach(_item ${_torch_items})
    # Only the wheel's own libraries: a system's OpenMP runtime stays the system's.
    string(FIND "${_item}" "${_torch}/" _below)
    string(FIND "${_item}" "/torch.libs/" _beside)
    if(_below EQUAL 0 OR NOT _beside EQUAL -1)
      list(APPEND _torch_files ${_item})
    endif()
  endforeach()
  install(PROGRAMS ${_torch_files} DESTINATION ${QUANTLAB_INSTALL_TORCH_DIR} COMPONENT worker)
  file(GLOB _torch_licences ${_torch}/../torch-*.dist-info/licenses)
  if(_torch_licences)
    install(DIRECTORY ${_torch_licences}/ DESTINATION share/doc/quantlab-worker/libtorch COMPONENT worker)
  else()
    message(WARNING "${_torch} has no licence texts beside it, which must accompany LibTorch: use an installed wheel, or "
      "set QUANTLAB_INSTALL_TORCH=OFF")
  endif()
endif()

# Manual pages, and the completion of quantctl. Making them runs the programs, in the target `installable`; without it they
# are not installed.
set(_texts ${CMAKE_BINARY_DIR}/texts)
set(_text_files)

# A manual page made by help2man from --help, for programs whose help is short.
find_program(HELP2MAN help2man)
function(_quantlab_manual program component summary)
  set(page ${_texts}/${program}.1)
  add_custom_command(OUTPUT ${page}.gz
    COMMAND ${CMAKE_COMMAND} -E make_directory ${_texts}
    COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C SOURCE_DATE_EPOCH=0 ${HELP2MAN} --no-info --no-discard-stderr --name=${summary}
            --version-string=${PROJECT_VERSION} --source=Quantlab --output=${page} $<TARGET_FILE:${program}>
    COMMAND gzip -9nf ${page}
    DEPENDS ${program} VERBATIM)
  set(_text_files ${_text_files} ${page}.gz PARENT_SCOPE)
  install(FILES ${page}.gz DESTINATION share/man/man1 COMPONENT ${component} OPTIONAL)
endfunction()

# What quantctl prints with the arguments that follow, installed as FOLDER/NAME.
function(_quantlab_quantctl_text folder name)
  set(file ${_texts}/${folder}/${name})
  set(pack)
  if(name MATCHES "^(.*)\\.gz$")
    set(printed ${_texts}/${folder}/${CMAKE_MATCH_1})
    set(pack COMMAND gzip -9nf ${printed})
  else()
    set(printed ${file})
  endif()
  # --output, because the settings of the user who builds may name another.
  add_custom_command(OUTPUT ${file}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${_texts}/${folder}
    COMMAND ${CMAKE_COMMAND} -E env LC_ALL=C $<TARGET_FILE:quantctl> --output table ${ARGN} > ${printed}
    ${pack}
    DEPENDS quantctl VERBATIM)
  set(_text_files ${_text_files} ${file} PARENT_SCOPE)
  install(FILES ${file} DESTINATION ${folder} COMPONENT client OPTIONAL)
endfunction()

if(QUANTLAB_WITH_SERVICE)
  _quantlab_quantctl_text(share/man/man1 quantctl.1.gz --lang en man)
  _quantlab_quantctl_text(share/man/zh_CN/man1 quantctl.1.gz --lang zh man)
  # Where Debian's shells look.
  _quantlab_quantctl_text(share/bash-completion/completions quantctl completion bash)
  _quantlab_quantctl_text(share/zsh/vendor-completions _quantctl completion zsh)
  _quantlab_quantctl_text(share/fish/vendor_completions.d quantctl.fish completion fish)
endif()
if(HELP2MAN AND QUANTLAB_WITH_SERVICE)
  _quantlab_manual(quant-coordinator coordinator "keep experiments and hand their runs to workers")
  _quantlab_manual(quant-worker worker "execute the runs of a Quantlab coordinator")
  _quantlab_manual(quant-export worker "write a saved model for another runtime")
  if(TARGET quant-runner)
    _quantlab_manual(quant-runner worker "execute one run of an experiment")
  endif()
endif()
# Everything that `cmake --install` and CPack need.
add_custom_target(installable DEPENDS programs ${_text_files})
